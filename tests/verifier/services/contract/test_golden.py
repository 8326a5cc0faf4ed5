"""The comparison on what real clients answered: no client is needed here."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.app import adapters_directory
from verifier.domain.post_state import cast_votes
from verifier.domain.quorum import Decision, QuorumPolicy, Verdict, decide, quorum_policy
from verifier.domain.result import Computed, Mode, Outcome, Result
from verifier.domain.vote import COMPARED_FIELDS, Vote, VoteKind, cast_vote
from verifier.errors import InputError
from verifier.executors.stateless.manifest import Manifest, read_manifests
from verifier.executors.stateless.messages import decode_outcome
from verifier.services.contract.golden import (
    FILE,
    NUMBERS,
    GoldenAnswer,
    golden_differences,
    kept_lines,
    read_golden,
)
from witness.model import Header, PostAccount

MANIFESTS = {manifest.name: manifest for manifest in read_manifests(adapters_directory())}
POLICY = quorum_policy({name: manifest.lineage for name, manifest in MANIFESTS.items()})
BLOCKS = [f"block {number}" for number in NUMBERS]
Case = tuple[str, Mode]


@cache
def answers() -> Mapping[Case, Mapping[str, GoldenAnswer]]:
    """Case and mode → adapter → what it answered."""
    cases: dict[Case, dict[str, GoldenAnswer]] = defaultdict(dict)
    for name, manifest in MANIFESTS.items():
        for answer in read_golden(manifest):
            cases[answer.case, answer.mode][name] = answer
    return cases


def outcomes(case: str, mode: Mode = Mode.PROOF) -> tuple[Header, dict[str, Outcome]]:
    """The header that all were asked about, and what each said."""
    given_answers = answers()[case, mode]
    (header,) = {answer.header.hash: answer.header for answer in given_answers.values()}.values()
    return header, {name: decode_outcome(answer.response, mode) for name, answer in given_answers.items()}


def judge(header: Header, said: Mapping[str, Outcome], mode: Mode = Mode.PROOF) -> tuple[dict[str, Vote], Decision]:
    results = [Result(name, MANIFESTS[name].lineage, outcome) for name, outcome in said.items()]
    if mode is Mode.PROOF:
        votes = [cast_vote(header, result) for result in results]
    else:
        votes = list(cast_votes(header, results, POLICY, None))
    return {vote.adapter: vote for vote in votes}, decide(POLICY, votes, closed=True)


def test_all_six_are_kept() -> None:
    assert set(MANIFESTS) == {"eels", "ethereumjs", "ethrex", "geth", "pyevm", "revm"}
    assert all((manifest.folder / FILE).exists() for manifest in MANIFESTS.values())
    assert {case for case, mode in answers() if mode is Mode.PROOF} >= set(BLOCKS)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("case", BLOCKS)
def test_honest_blocks_are_attested_by_all(case: str, mode: Mode) -> None:
    header, said = outcomes(case, mode)
    votes, decision = judge(header, said, mode)
    assert set(votes) == set(MANIFESTS)
    reservation = None if mode is Mode.PROOF else "unproven: state_root"
    assert {(vote.kind, vote.reason) for vote in votes.values()} == {(VoteKind.VALID, reservation)}
    assert (decision.verdict, decision.disagreement) == (Verdict.ATTEST, False)
    receipts = {outcome.receipts for outcome in said.values() if isinstance(outcome, Computed)}
    assert len(receipts) == 1


@pytest.mark.parametrize(
    ("change", "verdict", "kind", "reason"),
    [
        ("without the root's node", Verdict.HOLD, VoteKind.ABSTAIN, "witness_insufficient: "),
        ("without headers", Verdict.HOLD, VoteKind.ABSTAIN, "witness_insufficient: "),
        ("another state root", Verdict.REJECT, VoteKind.INVALID, "differs: state_root"),
        ("another gas used", Verdict.REJECT, VoteKind.INVALID, "differs: gas_used"),
        ("another base fee", Verdict.REJECT, VoteKind.INVALID, "broken_rule: base_fee: "),
        ("another withdrawals root", Verdict.REJECT, VoteKind.INVALID, "broken_rule: withdrawals_root: "),
    ],
)
def test_changed_blocks_and_witnesses(change: str, verdict: Verdict, kind: VoteKind, reason: str) -> None:
    header, said = outcomes(f"block 15, {change}")
    votes, decision = judge(header, said)
    assert {vote.kind for vote in votes.values()} == {kind}
    assert all((vote.reason or "").startswith(reason) for vote in votes.values()), votes
    assert (decision.verdict, decision.disagreement) == (verdict, False)


def changed(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]


@given(st.sampled_from(BLOCKS), st.sampled_from(sorted(MANIFESTS)), st.sampled_from(COMPARED_FIELDS))
def test_one_wrong_field_of_one_client_is_named_and_outvoted(case: str, name: str, field: str) -> None:
    header, said = outcomes(case)
    right = said[name]
    assert isinstance(right, Computed)
    value = getattr(right, field)
    if value is None:
        return  # the fork has no such field
    wrong: dict[str, Any] = {field: changed(value)}
    votes, decision = judge(header, {**said, name: replace(right, **wrong)})
    assert [difference.field for difference in votes[name].differences] == [field]
    assert {vote.kind for other, vote in votes.items() if other != name} == {VoteKind.VALID}
    assert (decision.verdict, decision.disagreement) == (Verdict.ATTEST, True)


@given(st.sampled_from(BLOCKS), st.sampled_from(sorted(MANIFESTS)), st.data())
def test_one_wrong_slot_or_account_of_one_client_is_named_and_outvoted(
    case: str, name: str, data: st.DataObject
) -> None:
    header, said = outcomes(case, Mode.PRESTATE)
    right = said[name]
    assert isinstance(right, Computed)
    assert right.post_state
    address = data.draw(st.sampled_from(sorted(right.post_state)))
    account = right.post_state[address]
    expected = f"post_state.0x{address.hex()}"
    if account is None:
        other = PostAccount(1, 1, bytes(32))
    elif account.slots:
        key = data.draw(st.sampled_from(sorted(account.slots)))
        other = replace(account, slots={**account.slots, key: account.slots[key] ^ 1})
        expected += f".storage.0x{key.hex()}"
    else:
        other = replace(account, balance=account.balance + 1)
        expected += ".balance"
    wrong = replace(right, post_state={**right.post_state, address: other})
    votes, decision = judge(header, {**said, name: wrong}, Mode.PRESTATE)
    assert [difference.field for difference in votes[name].differences] == [expected]
    assert (decision.verdict, decision.disagreement) == (Verdict.ATTEST, True)


@given(st.sampled_from(BLOCKS), st.permutations(sorted(MANIFESTS)), st.integers(0, 6))
def test_fewer_than_the_quorum_is_never_an_attestation(case: str, order: list[str], count: int) -> None:
    header, said = outcomes(case)
    _, decision = judge(header, {name: said[name] for name in order[:count]})
    assert (decision.verdict is Verdict.ATTEST) == (count >= POLICY.required)


def wrong_gas(outcome: Outcome) -> Outcome:
    assert isinstance(outcome, Computed)
    return replace(outcome, gas_used=0)


def test_two_wrong_of_six_do_not_reject() -> None:
    header, said = outcomes("block 23")
    liars = {name: wrong_gas(said[name]) for name in ("geth", "eels")}
    _, decision = judge(header, {**said, **liars})
    assert (decision.verdict, decision.disagreement) == (Verdict.ATTEST, True)


def test_differences_are_named() -> None:
    kept = kept_lines(MANIFESTS["geth"])
    other = kept[0].replace('"gas_used":"', '"gas_used":"1', 1)
    assert other != kept[0]
    assert golden_differences(kept, kept) == []
    assert golden_differences(kept, [other, *kept[1:]]) == ["block 1, proof"]
    assert golden_differences(kept, kept[1:]) == ["block 1, proof"]


@given(st.binary(max_size=40), st.integers(0, 10_000))
def test_a_damaged_file_is_said(tmp_path_factory: pytest.TempPathFactory, damage: bytes, position: int) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    (folder / FILE).parent.mkdir(parents=True, exist_ok=True)
    line = kept_lines(MANIFESTS["geth"])[0].encode()
    position %= len(line)
    (folder / FILE).write_bytes(line[:position] + damage + line[position + 1 :])
    kept = replace(MANIFESTS["geth"], folder=folder)
    with suppress(InputError):
        assert all(isinstance(answer.header, Header) for answer in read_golden(kept))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    absent: Manifest = replace(MANIFESTS["geth"], folder=tmp_path)
    for read in (read_golden, kept_lines):
        with pytest.raises(InputError, match=r"answers\.jsonl"):
            read(absent)


def test_the_policy_is_of_six_lineages() -> None:
    assert isinstance(POLICY, QuorumPolicy)
    assert (POLICY.required, POLICY.rejecting) == (4, 3)
