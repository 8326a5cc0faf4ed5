"""Statements: which results are the same word, on every machine, and which two of one adapter are misbehaviour."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.domain.builders import PRAGUE_HEADER, computed_for
from verifier.domain.block import BlockReference
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Computed, Mode, Outcome, Receipt, Result
from verifier.domain.statement import Statement, contradicts, outcome_digest, state
from verifier.domain.vote import VoteKind, cast_vote
from witness.model import PostAccount

ROOT = Path(__file__).parents[3]
BLOCK = BlockReference(1, 7, b"\x07" * 32)
RIGHT = computed_for(PRAGUE_HEADER)
FULL = replace(
    RIGHT,
    receipts=(Receipt(21_000, b"\x01" * 32, succeeded=True), Receipt(50_000, b"\x02" * 32, post_state=b"\x03" * 32)),
    block_access_list_hash=b"\x0d" * 32,
    post_state={b"\x01" * 20: PostAccount(1, 2, b"\x04" * 32, {b"\x05" * 32: 6}), b"\x02" * 20: None},
)
# Of the value above. It may never change: kept statements are held against new ones.
FULL_DIGEST = "a25cfdb21e80daa72fd3a3a0c48dae927d74e6a73fbe65f5316856722961ce00"
hashes = st.binary(min_size=32, max_size=32)
optional_hashes = st.none() | st.sampled_from([b"", b"\x01", bytes(32), b"\x01" * 32])
numbers = st.none() | st.sampled_from([0, 1, 10, 1 << 255])
receipts = st.builds(Receipt, st.integers(0, 3), st.sampled_from([b"", bytes(32)]), st.none() | st.booleans())
accounts = st.builds(
    PostAccount,
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from([b"", bytes(32)]),
    st.dictionaries(st.sampled_from([b"\x01", b"\x02"]), st.integers(0, 2)),
)
states = st.none() | st.dictionaries(st.sampled_from([b"\x01", b"\x02"]), st.none() | accounts)
computed = st.builds(
    Computed,
    optional_hashes,
    optional_hashes,
    st.just(bytes(256)),
    numbers,
    optional_hashes,
    numbers,
    optional_hashes,
    receipts=st.lists(receipts, max_size=3).map(tuple),
    post_state=states,
)
outcomes = (
    computed
    | st.builds(BrokenRule, st.text(max_size=3), st.just("told"))
    | st.builds(Abstention, st.sampled_from(AbstentionReason))
)


def said(outcome: Outcome, mode: Mode = Mode.PROOF, adapter: str = "geth") -> Statement:
    result = Result(adapter, adapter, outcome)
    statement = state(BLOCK, mode, result, cast_vote(PRAGUE_HEADER, result), 1.0)
    assert statement is not None
    return statement


@given(outcomes, outcomes)
def test_no_two_outcomes_share_a_digest(first: Outcome, second: Outcome) -> None:
    assert (outcome_digest(first) == outcome_digest(second)) == (first == second)


@pytest.mark.parametrize(
    "name", [each.name for each in fields(Computed) if each.name not in ("unchecked_rules", "receipts", "post_state")]
)
def test_every_computed_field_counts(name: str) -> None:
    value = getattr(FULL, name)
    other = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
    changed: list[dict[str, Any]] = [{name: value}, {name: other}, {name: None}]
    digests = {outcome_digest(replace(FULL, **each)) for each in changed}
    assert len(digests) == 3


def test_receipts_and_the_post_state_count() -> None:
    wrong = replace(FULL.receipts[0], cumulative_gas_used=21_001)
    others = (
        replace(FULL, receipts=(wrong, FULL.receipts[1])),
        replace(FULL, receipts=FULL.receipts[:1]),
        replace(FULL, post_state=None),
        replace(FULL, post_state={**(FULL.post_state or {}), b"\x02" * 20: PostAccount(0, 0, bytes(32))}),
    )
    assert len({outcome_digest(each) for each in (FULL, *others)}) == 5


def test_what_is_no_result_of_execution_does_not_count() -> None:
    assert outcome_digest(replace(FULL, unchecked_rules=("extra_data",))) == outcome_digest(FULL)
    assert outcome_digest(BrokenRule("base_fee", "7 is not 8")) == outcome_digest(BrokenRule("base_fee", "at 0x7f…"))
    assert outcome_digest(BrokenRule("base_fee", "")) != outcome_digest(BrokenRule("gas_limit", ""))


def test_the_order_in_which_accounts_and_slots_come_does_not_count() -> None:
    one, other = (
        PostAccount(1, 2, bytes(32), {b"\x01": 1, b"\x02": 2}),
        PostAccount(1, 2, bytes(32), {b"\x02": 2, b"\x01": 1}),
    )
    first = replace(RIGHT, post_state={b"\x0a": one, b"\x0b": None})
    second = replace(RIGHT, post_state={b"\x0b": None, b"\x0a": other})
    assert outcome_digest(first) == outcome_digest(second)


def test_the_digest_is_the_same_in_every_process_and_for_ever() -> None:
    program = "from tests.verifier.domain.test_statement import *; print(outcome_digest(FULL).hex())"
    environment = {**os.environ, "PYTHONHASHSEED": "2"}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == outcome_digest(FULL).hex() == FULL_DIGEST


def test_what_no_client_computes_is_refused() -> None:
    with pytest.raises(TypeError, match="nothing that a client computes: float"):
        outcome_digest(replace(RIGHT, gas_used=1.5))  # type: ignore[arg-type]


def test_a_vote_as_a_statement() -> None:
    valid, invalid = said(RIGHT), said(BrokenRule("base_fee", "7 is not 8"))
    assert (valid.kind, valid.rule, valid.summary, valid.at) == (VoteKind.VALID, "", "", 1.0)
    assert (invalid.kind, invalid.rule) == (VoteKind.INVALID, "base_fee")
    assert invalid.summary == "broken_rule: base_fee: 7 is not 8"


def test_an_abstention_is_no_statement() -> None:
    result = Result("geth", "geth", Abstention(AbstentionReason.TIMEOUT))
    assert state(BLOCK, Mode.PROOF, result, cast_vote(PRAGUE_HEADER, result), 1.0) is None


def test_two_words_of_one_adapter_contradict_each_other() -> None:
    first, second = said(RIGHT), said(replace(RIGHT, gas_used=1))
    assert contradicts(first, second)
    assert contradicts(second, first)
    assert contradicts(first, said(BrokenRule("base_fee", "")))
    assert contradicts(first, said(replace(RIGHT, receipts=FULL.receipts)))  # VALID both times, and other receipts


def test_what_is_no_contradiction() -> None:
    first, second = said(RIGHT), said(replace(RIGHT, gas_used=1))
    assert not contradicts(first, replace(first, at=9.0, summary="once more"))
    assert not contradicts(first, replace(second, adapter="revm"))
    assert not contradicts(first, replace(second, mode=Mode.PRESTATE))
    assert not contradicts(first, replace(second, block=BlockReference(1, 7, b"\x08" * 32)))
    # The verifier's own reading of the same result is not the adapter's doing.
    assert not contradicts(first, replace(first, kind=VoteKind.INVALID))
    # A block can break two rules, and whoever made it must not have clients quarantined that find either first.
    assert not contradicts(said(BrokenRule("base_fee", "")), said(BrokenRule("gas_limit", "")))
