"""Replay from witness file to verdict, with fake executors."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verifier.services.builders import block_witness, computed_for, header_rlp, write_chain
from verifier.domain.quorum import Verdict, quorum_policy
from verifier.domain.result import Abstention, AbstentionReason, Mode, Outcome, Result
from verifier.domain.vote import VoteKind
from verifier.errors import InputError
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor, StatelessExecutor
from verifier.services.replay import BlockReport, Replayed, ReplayOptions, replay
from verifier.services.sources import InputFailure, find_paths, open_sources
from verifier.services.trust import NO_TRUSTED_ROOT, Claims
from witness.file import decode_witness_file, map_witness_file, write_witness_file
from witness.header import decode_block_header
from witness.model import PostAccount, Witness
from witness.prestate import encode_poststate

Answer = Callable[[ExecutionRequest], Outcome]
NAMES = ("geth", "ethrex", "eels", "pyevm")


def honest(request: ExecutionRequest) -> Outcome:
    return computed_for(decode_block_header(map_witness_file(request.witness).block))


def wrong_root(request: ExecutionRequest) -> Outcome:
    return replace(computed_for(decode_block_header(map_witness_file(request.witness).block)), state_root=b"\x66" * 32)


def silent(request: ExecutionRequest) -> Outcome:
    return Abstention(AbstentionReason.TIMEOUT, "too slow")


def executors(*answers: Answer) -> list[FakeExecutor]:
    return [FakeExecutor(name, name, answer) for name, answer in zip(NAMES, answers, strict=False)]


def run(
    clients: Sequence[StatelessExecutor], paths: Sequence[Path], scratch: Path, **options: object
) -> list[Replayed]:
    async def scenario() -> list[Replayed]:
        policy = quorum_policy({client.name: client.lineage for client in clients})
        sources = open_sources(find_paths(paths), scratch)
        made = ReplayOptions(policy, **options)  # type: ignore[arg-type]
        return [report async for report in replay(clients, sources, made)]

    return asyncio.run(scenario())


def reports(replayed: Sequence[Replayed]) -> list[BlockReport]:
    assert all(isinstance(report, BlockReport) for report in replayed)
    return [report for report in replayed if isinstance(report, BlockReport)]


def test_an_honest_chain_is_attested_in_order(tmp_path: Path) -> None:
    headers = write_chain(tmp_path, 20)
    done = reports(run(executors(honest, honest, honest, honest), [tmp_path], tmp_path))
    assert [report.block.hash for report in done] == [header.hash for header in headers]
    assert {report.decision.verdict for report in done} == {Verdict.ATTEST}
    assert {report.fork for report in done} == {"paris"}


def test_the_trusted_root_is_the_parents(tmp_path: Path) -> None:
    write_chain(tmp_path, 1)
    (client,) = clients = executors(honest)
    run(clients, [tmp_path], tmp_path)
    assert client.requests[0].pre_state_root == b"\x05" * 32


def test_one_liar_is_a_disagreement(tmp_path: Path) -> None:
    write_chain(tmp_path, 1)
    (report,) = reports(run(executors(honest, wrong_root, honest, honest), [tmp_path], tmp_path))
    assert (report.decision.verdict, report.decision.disagreement) == (Verdict.ATTEST, True)


@pytest.mark.parametrize("recorded", [True, False])
def test_in_prestate_mode_what_changed_is_compared(tmp_path: Path, recorded: bool) -> None:
    right, wrong = (PostAccount(1, balance, b"\xc5" * 32) for balance in (7, 8))
    section = encode_poststate({b"\xaa" * 20: right}) if recorded else None
    content, _ = block_witness(1, header_rlp(0, bytes(32)), poststate=section)
    write_witness_file(content, tmp_path)

    def computing(account: PostAccount) -> Answer:
        def answer(request: ExecutionRequest) -> Outcome:
            assert request.mode is Mode.PRESTATE
            header = decode_block_header(map_witness_file(request.witness).block)
            return replace(computed_for(header), state_root=None, post_state={b"\xaa" * 20: account})

        return answer

    clients = executors(*(computing(account) for account in (right, right, right, wrong)))
    (report,) = reports(run(clients, [tmp_path], tmp_path, mode=Mode.PRESTATE))
    votes = {vote.adapter: vote for vote in report.votes}
    assert (report.decision.verdict, report.decision.disagreement) == (Verdict.ATTEST, True)
    assert {votes[name].reason for name in NAMES[:3]} == {"unproven: state_root"}
    assert votes["pyevm"].kind is VoteKind.INVALID
    assert votes["pyevm"].differences[0].field == f"post_state.0x{'aa' * 20}.balance"
    assert any("prestate mode" in note for note in report.notes)


def test_a_malformed_post_state_is_an_unreadable_file(tmp_path: Path) -> None:
    content, _ = block_witness(1, header_rlp(0, bytes(32)), poststate=b"\xc1\x80")
    write_witness_file(content, tmp_path)
    (failure,) = run(executors(honest), [tmp_path], tmp_path, mode=Mode.PRESTATE)
    assert isinstance(failure, InputFailure)
    assert "poststate" in failure.reason


def test_children_of_a_rejected_block_get_no_valid(tmp_path: Path) -> None:
    headers = write_chain(tmp_path, 3)

    def lie_about_the_first(request: ExecutionRequest) -> Outcome:
        return wrong_root(request) if request.block_hash == headers[0].hash else honest(request)

    done = reports(run(executors(*[lie_about_the_first] * 4), [tmp_path], tmp_path))
    assert [report.decision.verdict for report in done] == [Verdict.REJECT, Verdict.HOLD, Verdict.ATTEST]
    assert all("parent block was rejected" in (vote.reason or "") for vote in done[1].votes)


def test_silence_is_hold(tmp_path: Path) -> None:
    write_chain(tmp_path, 1)
    (report,) = reports(run(executors(honest, honest, silent, silent), [tmp_path], tmp_path))
    assert report.decision.verdict is Verdict.HOLD


def test_a_late_invalid_turns_the_verdict_and_is_said(tmp_path: Path) -> None:
    write_chain(tmp_path, 1)
    verdict_stands = asyncio.Event()

    class Late(FakeExecutor):
        async def execute(self, request: ExecutionRequest) -> Result:
            await verdict_stands.wait()
            return await super().execute(request)

    class Releasing(FakeExecutor):
        async def execute(self, request: ExecutionRequest) -> Result:
            asyncio.get_running_loop().call_later(0, asyncio.get_running_loop().call_soon, verdict_stands.set)
            return await super().execute(request)

    async def scenario() -> list[Replayed]:
        clients = [Releasing("geth", "geth", honest), Late("eels", "eels", wrong_root)]
        policy = quorum_policy({"geth": "geth", "eels": "eels"}, required=1, rejecting=1)
        sources = open_sources(find_paths([tmp_path]), tmp_path)
        return [report async for report in replay(clients, sources, ReplayOptions(policy))]

    (report,) = reports(asyncio.run(scenario()))
    assert (report.first.verdict, report.decision.verdict) == (Verdict.ATTEST, Verdict.REJECT)
    assert report.decision.disagreement
    assert "then slower votes made it REJECT" in report.notes[0]


def test_without_a_parent_header_nothing_is_valid(tmp_path: Path) -> None:
    content, _ = block_witness(7, header_rlp(6, bytes(32)), witness=Witness([], [], []))
    write_witness_file(content, tmp_path)
    clients = executors(honest)
    (report,) = reports(run(clients, [tmp_path], tmp_path))
    assert report.decision.verdict is Verdict.HOLD
    assert report.votes[0].reason == "refused: no trusted pre-state root: the witness has no parent header"
    assert clients[0].requests[0].pre_state_root == NO_TRUSTED_ROOT
    assert not clients[0].requests[0].parent_header_optional


def test_an_untrusted_root_makes_no_block_invalid(tmp_path: Path) -> None:
    (header,) = write_chain(tmp_path, 1)
    done = reports(run(executors(*[wrong_root] * 4), [tmp_path], tmp_path, trusted_roots={header.hash: b"\x44" * 32}))
    assert done[0].decision.verdict is Verdict.HOLD
    assert {vote.kind for vote in done[0].votes} == {VoteKind.ABSTAIN}


@pytest.mark.parametrize("accept", [True, False])
def test_claims_are_used_only_where_accepted(tmp_path: Path, accept: bool) -> None:
    claims = json.dumps({"parentStateRoot": f"0x{'33' * 32}"}).encode()
    content, _ = block_witness(7, header_rlp(6, bytes(32)), witness=Witness([], [], []), claims=claims)
    write_witness_file(content, tmp_path)
    clients = executors(honest)
    (report,) = reports(run(clients, [tmp_path], tmp_path, accept_claims=accept))
    assert report.decision.verdict is (Verdict.ATTEST if accept else Verdict.HOLD)
    assert clients[0].requests[0].parent_header_optional is accept
    assert clients[0].requests[0].pre_state_root == (b"\x33" * 32 if accept else NO_TRUSTED_ROOT)


@pytest.mark.parametrize("accept", [True, False])
def test_claimed_ancestors(tmp_path: Path, accept: bool) -> None:
    hashes = {"5": f"0x{'55' * 32}", "7": f"0x{'77' * 32}", "x": "0x", "4": 4, "3": "0x33", "9" * 99: f"0x{'99' * 32}"}
    content, _ = block_witness(7, header_rlp(6, bytes(32)), claims=json.dumps({"blockHashes": hashes}).encode())
    write_witness_file(content, tmp_path)
    clients = executors(honest)
    (report,) = reports(run(clients, [tmp_path], tmp_path, accept_claims=accept))
    # Not the block's own number, nor what is no hash.
    assert clients[0].requests[0].ancestor_hashes == ({5: b"\x55" * 32} if accept else {})
    assert report.notes == (("1 ancestor hashes are only claimed, and accepted",) if accept else ())


@pytest.mark.parametrize("claims", [b"", b"[]", b"{", b"\xff", b'{"blockHashes":[1]}', b'{"parentStateRoot":"0x1"}'])
def test_unreadable_claims_are_no_claims(claims: bytes) -> None:
    content, _ = block_witness(7, header_rlp(6, bytes(32)), claims=claims)
    assert Claims.read(content) == Claims()


def test_a_claim_never_overrides_the_parent_header(tmp_path: Path) -> None:
    claims = json.dumps({"parentStateRoot": f"0x{'33' * 32}"}).encode()
    content, _ = block_witness(7, header_rlp(6, bytes(32)), claims=claims)
    write_witness_file(content, tmp_path)
    clients = executors(honest)
    run(clients, [tmp_path], tmp_path, accept_claims=True)
    assert clients[0].requests[0].pre_state_root == b"\x05" * 32


def test_a_root_that_is_not_the_trusted_one_is_never_attested(tmp_path: Path) -> None:
    (header,) = write_chain(tmp_path, 1)
    # Even by adapters that forget to look at the root they are given.
    done = reports(run(executors(*[honest] * 4), [tmp_path], tmp_path, trusted_roots={header.hash: b"\x44" * 32}))
    assert done[0].decision.verdict is Verdict.HOLD
    assert {vote.kind for vote in done[0].votes} == {VoteKind.ABSTAIN}
    assert "is not the trusted" in (done[0].votes[0].reason or "")


def test_unreadable_files_do_not_stop_the_others(tmp_path: Path) -> None:
    write_chain(tmp_path, 2)
    first, _ = find_paths([tmp_path])
    damaged = bytearray(first.read_bytes())
    damaged[-1] ^= 1
    first.unlink()
    first.write_bytes(damaged)
    failure, report = run(executors(honest), [tmp_path], tmp_path)
    assert isinstance(failure, InputFailure)
    assert failure.path == first
    assert "checksum" in failure.reason
    assert isinstance(report, BlockReport)


def test_a_file_that_names_another_block_is_unreadable(tmp_path: Path) -> None:
    content, _ = block_witness(1, header_rlp(0, bytes(32)))
    path = write_witness_file(replace(content, hash=b"\x77" * 32), tmp_path)
    (failure,) = run(executors(honest), [path], tmp_path)
    assert isinstance(failure, InputFailure)
    assert "has not the hash" in failure.reason


def test_another_chain_config_is_passed_on(tmp_path: Path) -> None:
    write_chain(tmp_path, 1)
    clients = executors(honest)
    config = b'{"chainId":1337,"terminalTotalDifficulty":0,"shanghaiTime":0}'
    (report,) = reports(run(clients, [tmp_path], tmp_path, chain_config=config))
    assert (report.fork, clients[0].requests[0].chain_config) == ("shanghai", config)


def test_paths(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        find_paths([tmp_path / "absent"])
    with pytest.raises(InputError, match="nothing to import"):
        find_paths([tmp_path])
    write_chain(tmp_path, 11)
    hidden = tmp_path / ".state"
    hidden.mkdir()
    write_chain(hidden, 1)
    assert [decode_witness_file(path.read_bytes()).number for path in find_paths([tmp_path])] == list(range(1, 12))
