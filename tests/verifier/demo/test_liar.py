"""The client that is made to lie lies about what it was told to, and about nothing else."""

import asyncio
from pathlib import Path

from tests.verifier.domain.builders import PRAGUE_HEADER, computed_for
from verifier.demo.liar import MadeToLie
from verifier.domain.result import Abstention, AbstentionReason, Outcome
from verifier.domain.vote import VoteKind, cast_vote
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor


def kind_of_vote(outcome: Outcome, about: bytes) -> VoteKind:
    liar = MadeToLie(FakeExecutor("geth", "geth", lambda _: outcome))
    liar.lie_about([about])
    request = ExecutionRequest(Path("none"), PRAGUE_HEADER.hash, bytes(32), 1.0)
    return cast_vote(PRAGUE_HEADER, asyncio.run(liar.execute(request))).kind


def test_it_lies_about_what_it_is_told_to() -> None:
    honest = computed_for(PRAGUE_HEADER)
    assert kind_of_vote(honest, PRAGUE_HEADER.hash) is VoteKind.INVALID
    assert kind_of_vote(honest, PRAGUE_HEADER.parent_hash) is VoteKind.VALID


def test_it_invents_nothing() -> None:
    silent = Abstention(AbstentionReason.TIMEOUT)
    assert kind_of_vote(silent, PRAGUE_HEADER.hash) is VoteKind.ABSTAIN
