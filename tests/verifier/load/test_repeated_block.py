"""Blocks that differ in their extra data alone, as newPayload calls that mean what they say."""

import json
from dataclasses import replace

import pytest

from tests.verifier.engine.gate_harness import BLOCK, CONFIG, HEADER
from verifier.load.repeated_block import RepeatedBlock, largest_payload
from witness.errors import WitnessFormatError
from witness.formats.engine_payload import decode_engine_payload
from witness.header import decode_block_header
from witness.model import BlockWitness, Witness

CONTENT = BlockWitness(7330001, HEADER.number, HEADER.hash, BLOCK, Witness([], [], [b"parent"]), CONFIG)


@pytest.mark.parametrize("number", [0, 1, 999])
def test_a_repetition_is_the_block_with_other_extra_data(number: int) -> None:
    each = RepeatedBlock(CONTENT).repetition(number)
    header = decode_block_header(each.block)
    assert header.hash == each.hash != HEADER.hash
    assert replace(header, hash=HEADER.hash, extra_data=HEADER.extra_data) == HEADER
    assert header.extra_data.endswith(number.to_bytes(4, "big"))
    call = json.loads(each.request)
    assert call["method"] == "engine_newPayloadV2"
    payload = decode_engine_payload(2, call["params"])
    assert not payload.misfit
    assert payload.block == each.block


def test_repetitions_are_all_different() -> None:
    repeated = RepeatedBlock(CONTENT)
    assert len({repeated.repetition(number).hash for number in range(50)}) == 50


def test_what_cannot_be_a_payload_is_passed_over() -> None:
    broken = replace(CONTENT, block=b"\xc0")
    with pytest.raises(WitnessFormatError):
        RepeatedBlock(broken)
    found = largest_payload([broken, CONTENT])
    assert found is not None
    assert found.content is CONTENT
    assert largest_payload([broken]) is None
