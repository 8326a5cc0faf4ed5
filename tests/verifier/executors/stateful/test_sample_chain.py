"""The chain of our own: what it contains, that it is rebuilt alike, and that its witnesses suffice and no more."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import rlp

from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.embedded.initial_state import build_genesis
from verifier.executors.stateful.embedded.sample_chain import (
    BPO1,
    CANCUN,
    LAST,
    OSAKA,
    PRAGUE,
    sample_genesis,
    write_sample_chain,
)
from verifier.executors.stateful.errors import DatabaseDamagedError
from witness.check import check_witness
from witness.finding import Severity
from witness.header import decode_block_header, decode_header, keccak256
from witness.model import BlockWitness

from . import chains
from .chains import SAMPLE, reexecute, sample_blocks

FAILING = {4: [3, 4, 5]}  # by design: see fixtures/chain/README.md


def witness_of(outcome: ImportOutcome) -> BlockWitness:
    assert outcome.witness is not None
    return outcome.witness


def test_rebuilding_gives_the_same_bytes(tmp_path: Path) -> None:
    write_sample_chain(tmp_path)
    for name in ("genesis.json", "chain.rlp"):
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes(), name


def test_genesis_document_is_what_the_builder_starts_from() -> None:
    loaded, built = chains.sample_genesis(), sample_genesis()
    assert build_genesis(loaded)[0] == build_genesis(built)[0]
    assert loaded.config == built.config


def test_every_block_is_valid_and_of_its_fork(sample_outcomes: tuple[ImportOutcome, ...]) -> None:
    assert len(sample_outcomes) == LAST == 37
    for number, outcome in enumerate(sample_outcomes, 1):
        assert outcome.results is not None, outcome.invalid
        assert outcome.block.number == number
        firsts = {1: "shanghai", CANCUN: "cancun", PRAGUE: "prague", OSAKA: "osaka", BPO1: "bpo1"}
        assert outcome.fork == firsts[max(first for first in firsts if first <= number)]


def test_every_transaction_type_is_in_every_fork_that_has_it() -> None:
    types: dict[int, set[int]] = {}
    for number, block in enumerate(sample_blocks(), 1):
        types[number] = {item[0] if isinstance(item, bytes) else 0 for item in rlp.decode(block)[1]}
    for number, found in types.items():
        expected = {0, 1, 2} | ({3} if number >= CANCUN else set()) | ({4} if number >= PRAGUE else set())
        assert found == expected, number


def test_only_the_designed_transactions_fail(sample_outcomes: tuple[ImportOutcome, ...]) -> None:
    for number, outcome in enumerate(sample_outcomes, 1):
        assert outcome.results is not None
        failed = [index for index, receipt in enumerate(outcome.results.receipts) if not receipt.succeeded]
        assert failed == FAILING.get(number, []), number


def test_requests_of_every_kind(sample_outcomes: tuple[ImportOutcome, ...]) -> None:
    hashes = [outcome.results.requests_hash for outcome in sample_outcomes if outcome.results]
    assert hashes[: PRAGUE - 1] == [None] * (PRAGUE - 1)
    none = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    with_requests = [number for number, hash_ in enumerate(hashes, 1) if hash_ not in (None, none)]
    assert with_requests == [18, 19, 20, 21, 23]


def test_blobs_and_excess_across_the_forks_of_the_schedule() -> None:
    """In blobs: blobs are cheaper than execution throughout, so what is above the target never goes away (EIP-7918)."""
    blob = 131_072  # gas
    headers = {number: decode_block_header(block) for number, block in enumerate(sample_blocks(), 1)}
    assert all(header.base_fee is not None and 8192 * header.base_fee > blob for header in headers.values())
    used = {number: (headers[number].blob_gas_used or 0) // blob for number in range(31, LAST + 1)}
    assert used == {31: 2, 32: 9, 33: 7, 34: 14, 35: 3, 36: 1, 37: 2}
    excess = {number: headers[number].excess_blob_gas or 0 for number in range(OSAKA, LAST + 1)}
    assert [excess[number] for number in (29, 30, 31, 32)] == [0, 0, 0, 0]
    assert excess[33] == 9 * blob * 3 // 9  # Osaka: target 6, at most 9
    assert excess[BPO1] == 3 * blob + 7 * blob * 6 // 15  # BPO1 already: target 9, at most 15
    assert excess[35] == excess[BPO1] + 14 * blob * 6 // 15
    assert excess[37] == excess[35] + 3 * blob * 6 // 15 + 1 * blob * 6 // 15


def test_ancestor_headers_go_as_far_as_blockhash_did(sample_outcomes: tuple[ImportOutcome, ...]) -> None:
    reach = {6: 6, 12: 12, 26: 26, 28: 28, 37: 12}
    for outcome in sample_outcomes:
        headers = witness_of(outcome).witness.headers
        number = outcome.block.number
        assert len(headers) == reach.get(number, 1), number
        for before, after in pairwise(headers):
            assert decode_header(after).parent_hash == keccak256(before)
        assert keccak256(headers[-1]) == decode_block_header(witness_of(outcome).block).parent_hash


def test_a_check_of_a_recorded_witness_finds_nothing_but_what_its_sections_hold(
    sample_outcomes: tuple[ImportOutcome, ...],
) -> None:
    """That the poststate gives the header's root proves it."""
    for outcome in sample_outcomes:
        findings = list(check_witness(witness_of(outcome)))
        assert [(each.severity, each.subject) for each in findings] == [
            (Severity.NOTE, "prestate"),
            (Severity.NOTE, "poststate"),
        ]
        assert findings[1].text.endswith("; gives the header's state root")


def test_each_block_reexecutes_from_its_witness_alone(sample_outcomes: tuple[ImportOutcome, ...]) -> None:
    for outcome in sample_outcomes:
        again = reexecute(witness_of(outcome), outcome.fork)
        assert again.results == outcome.results
        assert again.witness == witness_of(outcome).witness


@pytest.mark.parametrize("number", [3, 14, 20, 30])
def test_no_entry_of_a_witness_is_superfluous(number: int, sample_outcomes: tuple[ImportOutcome, ...]) -> None:
    """Without any one of them the executor stops, and says nothing about the block."""
    content = witness_of(sample_outcomes[number - 1])
    fork = sample_outcomes[number - 1].fork
    for entry in (*content.witness.state, *content.witness.codes)[::3]:
        with pytest.raises(DatabaseDamagedError, match=keccak256(entry).hex()):
            reexecute(content, fork, without=keccak256(entry))


def test_expected_section_says_what_the_header_says(sample_outcomes: tuple[ImportOutcome, ...]) -> None:
    for outcome in sample_outcomes:
        content = witness_of(outcome)
        assert content.expected is not None
        expected, header = json.loads(bytes(content.expected)), decode_block_header(content.block)
        assert expected["stateRoot"] == f"0x{header.state_root.hex()}"
        assert expected["gasUsed"] == hex(header.gas_used)
        assert expected.get("requestsHash") == (header.requests_hash and f"0x{header.requests_hash.hex()}")
        assert len(expected["receipts"]) == len(rlp.decode(content.block)[1])
        assert expected["receipts"][-1]["cumulativeGasUsed"] == hex(header.gas_used)
