"""The measurement of the gate: it goes the whole way, with the answer that was given; not how long that takes."""

import asyncio
from pathlib import Path

from tests.verifier.engine.gate_harness import BLOCK, CONFIG, HEADER
from verifier.engine.latency import gate_times
from witness.file import write_witness_file
from witness.model import BlockWitness, Witness


def test_every_way_is_measured(tmp_path: Path) -> None:
    witness = Witness([b"\x01" * 40], [], [])
    content = BlockWitness(7330001, HEADER.number, HEADER.hash, BLOCK, witness, CONFIG)
    path = write_witness_file(content, tmp_path, sync=False)
    (times,) = asyncio.run(gate_times([path], 1))
    assert times.number == HEADER.number
    assert times.payload_size > len(BLOCK)
    assert 0 < times.plain_p50 <= times.plain_p99
    assert 0 < times.gate_p50 <= times.gate_p99
    assert 0 < times.witness_p50 <= times.witness_p99
    assert times.added_p50 <= times.added_p99
