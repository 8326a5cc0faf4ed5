"""A bundle's block executed again, by clients that say what they said, something else, or nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verifier.services.builders import block_witness, computed_for, header_rlp
from verifier.domain.result import (
    Abstention,
    AbstentionReason,
    BrokenRule,
    Computed,
    Missing,
    Mode,
    Outcome,
    Receipt,
    Result,
)
from verifier.domain.vote import VoteKind
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor
from verifier.services.evidence import (
    ClientVersion,
    Evidence,
    EvidenceDamagedError,
    Versions,
    read_bundle,
    write_bundle,
)
from verifier.services.evidence.rerun import Reproduction, Rerun, rerun, with_versions
from witness.file import map_witness_file, write_witness_file
from witness.header import decode_block_header

from .builders import evidence

Answer = Callable[[ExecutionRequest], Outcome]


def right(request: ExecutionRequest) -> Outcome:
    """What geth and revm computed."""
    computed = computed_for(decode_block_header(map_witness_file(request.witness).block))
    return replace(computed, receipts=(Receipt(21_000, b"\x33" * 32, succeeded=True),))


def wrong(request: ExecutionRequest) -> Outcome:
    """What ethrex computed."""
    computed = right(request)
    assert isinstance(computed, Computed)
    return replace(computed, state_root=b"\x66" * 32)


def lacking(request: ExecutionRequest) -> Outcome:
    """What eels said, of another node."""
    return Abstention(AbstentionReason.WITNESS_INSUFFICIENT, "else", (Missing("code", b"\x01" * 32),))


def absent(request: ExecutionRequest) -> Outcome:
    return Abstention(AbstentionReason.UNAVAILABLE, "not built")


def again(given: Evidence, answers: dict[str, Answer], **unasked: str) -> Rerun:
    executors = [FakeExecutor(name, name, answer) for name, answer in answers.items()]
    return asyncio.run(rerun(executors, given, 30.0, unasked))


def reproductions(done: Rerun) -> dict[str, Reproduction]:
    return {each.adapter: each.reproduction for each in done.comparisons}


@pytest.fixture
def bundled(tmp_path: Path) -> Evidence:
    """As another machine has it."""
    return read_bundle(tmp_path / "evidence" / write_bundle(tmp_path / "evidence", evidence(tmp_path)))


def test_all_that_is_recorded_again(bundled: Evidence) -> None:
    requests: list[ExecutionRequest] = []

    def seen(request: ExecutionRequest) -> Outcome:
        requests.append(request)
        return right(request)

    done = again(bundled, {"geth": seen, "revm": right, "ethrex": wrong, "eels": lacking})
    assert done.reproduced is True
    assert set(reproductions(done).values()) == {Reproduction.SAME}
    assert done.sides == (("geth", "revm"), ("ethrex",))
    assert done.notes == ()
    votes = {each.adapter: each.vote.kind for each in done.comparisons if each.vote}
    assert votes == {"eels": "ABSTAIN", "ethrex": "INVALID", "geth": "VALID", "revm": "VALID"}
    assert requests == [replace(bundled.request, deadline=30.0)]


def test_a_client_that_says_something_else(bundled: Evidence) -> None:
    done = again(bundled, {"geth": right, "revm": right, "ethrex": right, "eels": lacking})
    assert done.reproduced is False
    assert reproductions(done)["ethrex"] is Reproduction.DIFFERENT
    assert done.sides == (("ethrex", "geth", "revm"),)
    broken = again(bundled, {"geth": lambda _: BrokenRule("base_fee", "it is not"), "eels": right})
    assert reproductions(broken) == {
        "geth": Reproduction.DIFFERENT,
        "eels": Reproduction.DIFFERENT,  # the witness lacked something, and does not any more
        "ethrex": Reproduction.SILENT,
        "revm": Reproduction.SILENT,
    }


def test_who_is_not_here(bundled: Evidence) -> None:
    done = again(bundled, {"geth": right, "revm": absent}, ethrex="no such adapter here")
    assert done.reproduced is None
    assert reproductions(done) == {
        "geth": Reproduction.SAME,
        "revm": Reproduction.SILENT,
        "ethrex": Reproduction.SILENT,
        "eels": Reproduction.SILENT,
    }
    notes = {each.adapter: each.notes for each in done.comparisons}
    assert (notes["ethrex"], notes["eels"]) == (("no such adapter here",), ("not asked",))
    assert again(bundled, {}).reproduced is None


def test_nothing_lasting_recorded(bundled: Evidence) -> None:
    late = Result("eels", "eels", Abstention(AbstentionReason.TIMEOUT, "2 s"))
    given = replace(bundled, results=(*(each for each in bundled.results if each.adapter != "eels"), late))
    done = again(given, {"geth": right, "revm": right, "ethrex": wrong, "eels": right, "pyevm": right})
    assert reproductions(done)["eels"] is Reproduction.UNRECORDED
    assert reproductions(done)["pyevm"] is Reproduction.UNRECORDED  # asked besides: a client that is to be tried
    assert done.reproduced is True


def test_either_word_of_a_double_vote(bundled: Evidence) -> None:
    statements = bundled.dispute.statements
    second = next(replace(each, digest=b"\x99" * 32) for each in statements if each.adapter == "geth")
    given = replace(bundled, dispute=replace(bundled.dispute, statements=(*statements, second)))
    done = again(given, {"geth": right, "revm": right, "ethrex": wrong, "eels": lacking})
    assert done.reproduced is True
    geth = next(each for each in done.comparisons if each.adapter == "geth")
    assert geth.notes == ("more than one word of it is recorded",)
    assert len(geth.recorded) == 2


def test_a_root_that_nothing_binds_is_said(bundled: Evidence) -> None:
    given = replace(bundled, request=replace(bundled.request, pre_state_root=b"\x01" * 32))
    assert again(given, {"geth": right}).notes == (
        "the pre-state root is the bundle's word: the witness has no parent header that binds it",
    )


def test_prestate_mode_is_read_as_such(bundled: Evidence) -> None:
    given = replace(bundled, request=replace(bundled.request, mode=Mode.PRESTATE))

    def rootless(request: ExecutionRequest) -> Outcome:
        assert request.mode is Mode.PRESTATE
        computed = right(request)
        assert isinstance(computed, Computed)
        return replace(computed, state_root=None, post_state={})

    (compared,) = [each for each in again(given, {"geth": rootless}).comparisons if each.adapter == "geth"]
    assert compared.vote is not None
    assert (compared.vote.kind, compared.vote.reason) == (VoteKind.VALID, "unproven: state_root")


def test_a_witness_of_another_block(bundled: Evidence, tmp_path: Path) -> None:
    other, _ = block_witness(2, header_rlp(1, bytes(32)))
    path = write_witness_file(other, tmp_path, sync=False)
    with pytest.raises(EvidenceDamagedError, match="is of block 2"):
        again(replace(bundled, request=replace(bundled.request, witness=path)), {"geth": right})
    path.chmod(0o644)
    path.write_bytes(b"none")
    with pytest.raises(EvidenceDamagedError, match="no size of a witness file"):
        again(replace(bundled, request=replace(bundled.request, witness=path)), {"geth": right})


def test_other_versions_are_said(bundled: Evidence) -> None:
    done = again(bundled, {"geth": right})
    now = Versions(
        "0.2.0", (ClientVersion("geth", "geth", "go-ethereum", "1.18.0", "1"), ClientVersion("x", "x", "", ""))
    )
    notes = {each.adapter: each.notes for each in with_versions(done, bundled.versions, now).comparisons}
    assert notes["geth"] == ("recorded with go-ethereum 1.17.10 (adapter 1), now go-ethereum 1.18.0 (adapter 1)",)
    assert with_versions(done, bundled.versions, bundled.versions) == done
