"""Sections derived from witnesses: proven where the witness is complete, never wrong where it is not."""

import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.executors.stateful.chains import sample_blocks, sample_genesis
from tests.witness.real_data import INCOMPLETE, MAINNET, REASON, needs_real_data
from verifier.errors import ExecutorError, InputError
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.fake import MemorySink
from verifier.services.derivation import with_sections
from witness.check import check_witness
from witness.finding import Severity
from witness.formats import load
from witness.header import block_header_rlp, decode_block_header, keccak256
from witness.model import BlockWitness, PreState
from witness.prestate import decode_poststate, decode_prestate

COMPLETE: list[Any] = sorted(MAINNET.glob("*.json.gz")) or [
    pytest.param(MAINNET, marks=pytest.mark.skip(reason=REASON))
]


@cache
def recorded(number: int) -> BlockWitness:
    """A block of the sample chain with the sections that the recorder wrote."""
    return record_sample()[number - 1]


@cache
def record_sample() -> list[BlockWitness]:
    import tempfile

    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedExecutor(Path(directory), sample_genesis(), MemorySink(), sync=False) as executor,
    ):
        outcomes = [executor.import_block(block) for block in sample_blocks()]
    return [outcome.witness for outcome in outcomes if outcome.witness is not None]


def is_part(part: PreState, whole: PreState) -> bool:
    """Whether everything in `part` is in `whole`, and the same."""
    for address, account in part.items():
        if address not in whole:
            return False
        held = whole[address]
        if account is None or held is None:
            if account is not held:
                return False
        elif not account.slots.items() <= held.slots.items() or replace(account, slots={}) != replace(held, slots={}):
            return False
    return True


def prestate_of(content: BlockWitness) -> PreState:
    assert content.prestate is not None
    return decode_prestate(content.prestate)


@pytest.mark.parametrize("path", COMPLETE, ids=lambda path: path.name)
def test_real_blocks(path: Path) -> None:
    """All that is in the sections is proven: the prestate by the nodes, the poststate by the header's state root."""
    for content in load(path):
        derived, remark = with_sections(replace(content, prestate=None, poststate=None), accept_claims=True)
        assert "incomplete" not in remark
        found = [(each.severity, each.subject, each.text) for each in check_witness(derived)]
        sections = [each for each in found if each[1] in ("prestate", "poststate")]
        assert [each[:2] for each in sections] == [(Severity.NOTE, "prestate"), (Severity.NOTE, "poststate")]
        assert sections[0][2].endswith("; all proven by the nodes")
        assert sections[1][2].endswith("; gives the header's state root")
        if content.prestate is not None:  # zkpig's own, made by another client
            assert (derived.prestate, derived.poststate) == (content.prestate, content.poststate)


@needs_real_data
def test_what_is_only_claimed_has_to_be_accepted() -> None:
    (content,) = load(MAINNET / "17000_2965788_scroll.json.gz")
    with pytest.raises(InputError, match="no trusted pre-state root"):
        with_sections(content)
    derived, remark = with_sections(content, accept_claims=True)
    assert derived.poststate is not None
    assert remark == "the pre-state root is only claimed, and accepted"
    (content,) = load(MAINNET / "17000_2971847_scroll.json.gz")  # with the parent's header, and claimed block hashes
    derived, remark = with_sections(content)
    assert derived.poststate is None
    assert "incomplete: the witness lacks the hash of block 29" in remark


@needs_real_data
@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("1_22188088_keth", "node or code 0x8a3d287b"),
        ("holesky_2860557_scroll", "the hash of block 28"),
        ("holesky_2965790_scroll", "the hash of block 29"),
        ("holesky_2965792_scroll", "the hash of block 29"),
    ],
)
def test_an_incomplete_witness_has_no_poststate(name: str, lacking: str) -> None:
    (content,) = load(INCOMPLETE / f"{name}.json.gz")
    derived, remark = with_sections(content, accept_claims=True)
    assert derived.poststate is None
    assert f"incomplete: the witness lacks {lacking}" in remark
    assert len(prestate_of(derived)) > 10
    errors = [each for each in check_witness(derived) if each.severity is Severity.ERROR]
    assert not [each for each in errors if each.subject == "prestate"]


def test_from_what_was_recorded_comes_what_was_recorded() -> None:
    for content in record_sample():
        derived, remark = with_sections(replace(content, prestate=None, poststate=None))
        assert remark == ""
        assert derived.poststate == content.poststate
        part, whole = prestate_of(derived), prestate_of(content)
        assert is_part(part, whole)
        # Left out is only what no execution read: the witness has no nodes for it.
        assert decode_poststate(content.poststate or b"").keys() <= part.keys()


@pytest.mark.parametrize("number", [3, 25])
def test_nothing_wrong_follows_from_a_missing_node_or_code(number: int) -> None:
    content = recorded(number)
    complete, _ = with_sections(content)
    whole = prestate_of(complete)
    incomplete = 0
    for name in ("state", "codes"):
        items = list(getattr(content.witness, name))
        for index in range(len(items)):
            witness = replace(content.witness, **{name: items[:index] + items[index + 1 :]})
            derived, remark = with_sections(replace(content, witness=witness))
            assert is_part(prestate_of(derived), whole)
            if "incomplete" in remark:
                incomplete += 1
                assert derived.poststate is None
            else:
                assert derived.poststate == complete.poststate
    assert incomplete > 10


def test_a_damaged_witness_gives_an_error_or_nothing_wrong() -> None:
    chance = random.Random(0)
    content = recorded(14)
    complete, _ = with_sections(content)
    whole = prestate_of(complete)
    for _ in range(60):
        nodes = [bytearray(node) for node in content.witness.state]
        for _ in range(chance.randrange(1, 4)):
            node = chance.choice(nodes)
            node[chance.randrange(len(node))] = chance.randrange(256)
        witness = replace(content.witness, state=[bytes(node) for node in nodes])
        try:
            derived, _ = with_sections(replace(content, witness=witness))
        except ExecutorError:
            continue
        assert is_part(prestate_of(derived), whole)
        assert derived.poststate in (None, complete.poststate)


def test_an_invalid_block_has_a_prestate_and_no_poststate() -> None:
    content = recorded(14)
    header = decode_block_header(content.block)
    block = bytes(content.block).replace(header.state_root, b"\x11" * 32, 1)
    other = replace(content, block=block, hash=keccak256(block_header_rlp(block)))
    derived, remark = with_sections(other)
    assert derived.poststate is None
    assert remark.startswith("the block is invalid, no poststate: state root: header 0x1111")
    assert prestate_of(derived).keys() == prestate_of(with_sections(content)[0]).keys()


def test_a_block_that_cannot_be_decoded_has_an_empty_prestate() -> None:
    content = recorded(1)
    block = bytes(content.block)
    broken = b"\xf9" + (len(block) - 2).to_bytes(2, "big") + block[3:] + b"\x01"
    derived, remark = with_sections(replace(content, block=broken))
    assert (derived.prestate, derived.poststate) == (b"\xc0", None)
    assert "block encoding" in remark
