"""The private chain's transactions, put into blocks by the embedded executor."""

import json
from pathlib import Path

import rlp

from verifier.demo.genesis import private_genesis
from verifier.demo.traffic import BLOB_SIZE, Traffic, in_block
from verifier.executors.stateful.embedded.building import BlockPlan, ChainBuilder
from verifier.executors.stateful.embedded.signing import BLOB
from verifier.executors.stateful.fake import MemorySink
from verifier.services.conformance.loaders.genesis import load_genesis

GENESIS_TIME = 1_700_000_000
SLOT = 12  # seconds


def test_every_transaction_can_be_in_its_block(tmp_path: Path) -> None:
    document = tmp_path / "genesis.json"
    document.write_text(json.dumps(private_genesis("osaka", GENESIS_TIME)))
    traffic = Traffic("osaka")
    types = set()
    with ChainBuilder(tmp_path / "chain", load_genesis(document), MemorySink()) as builder:
        for number in range(1, traffic.period + 2):
            transactions = [in_block(encoded) for encoded in traffic.transactions(number)]
            types |= {encoded[0] if encoded[0] < 0x80 else 0 for encoded in transactions}
            plan = BlockPlan(GENESIS_TIME + number * SLOT, transactions, parent_beacon_block_root=bytes(32))
            _, outcome = builder.add(plan)
            assert outcome.invalid is None, number
    assert types == {0, 1, 2, 3, 4}


def test_no_fork_gets_what_only_a_later_one_knows() -> None:
    for fork, newest in (("paris", 2), ("shanghai", 2), ("cancun", 2), ("prague", 4), ("osaka", 4), ("amsterdam", 4)):
        traffic = Traffic(fork)
        sent = [each for number in range(1, traffic.period + 1) for each in traffic.transactions(number)]
        assert max(each[0] for each in sent if each[0] < 0x80) == newest, fork


def test_numbers_differ_and_a_fork_is_repeatable() -> None:
    traffic = Traffic("osaka")
    first, second = traffic.transactions(1), traffic.transactions(2)
    assert not set(first) & set(second)
    assert Traffic("osaka").transactions(1) == first


def test_a_blob_transaction_brings_a_commitment_and_a_proof_a_cell() -> None:
    pooled = next(each for each in Traffic("osaka").transactions(1) if each[0] == BLOB)
    body, version, blobs, commitments, proofs = rlp.decode(pooled[1:])
    assert version == b"\x01"
    assert [len(blob) for blob in blobs] == [BLOB_SIZE] * 2
    assert len(commitments) == 2
    assert len(proofs) == 2 * 128
    assert in_block(pooled) == bytes([BLOB]) + rlp.encode(body)
