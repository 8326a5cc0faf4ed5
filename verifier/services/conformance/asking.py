"""Asks clients about one block, and has what each computed compared with its header, as everywhere else."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from verifier.domain.conformance import Answer, Expected, ReasonClass, Said
from verifier.domain.post_state import cast_votes
from verifier.domain.quorum import QuorumPolicy, quorum_policy
from verifier.domain.result import BrokenRule, Mode, Result
from verifier.domain.vote import Vote, VoteKind, cast_vote, withhold
from verifier.executors.stateless.base import ExecutionRequest
from verifier.services.ballot import contradiction
from verifier.services.trust import establish_trust
from witness.chain_config import ChainConfig, parse_chain_config
from witness.model import BlockWitness, Header
from witness.prestate import decode_poststate

from .clients import Client

SAID = {VoteKind.VALID: Said.VALID, VoteKind.INVALID: Said.INVALID, VoteKind.ABSTAIN: Said.ABSTAIN}


@dataclass(frozen=True, slots=True)
class Question:
    """One block, in the witness file at `path`. root: of the state before it, as it was recorded; None: not known.

    deadline: seconds. expected: who accepts an invalid block is quoted with the rules that it left unchecked.
    """

    content: BlockWitness
    header: Header
    path: Path
    root: bytes | None
    deadline: float
    mode: Mode
    expected: Expected


def fork_of(content: BlockWitness, header: Header) -> str:
    """The fork whose rules the block has."""
    return _chain_config(bytes(content.chain_config)).fork_at(header)


async def ask(
    question: Question,
    clients: Sequence[Client],
    of_reason: Callable[[str, str | Sequence[str]], frozenset[ReasonClass]],
) -> tuple[Answer, ...]:
    """What each client says. of_reason: client and the rule that it names, or the fields that differ → classes."""
    if not clients:
        return ()
    content, header, mode = question.content, question.header, question.mode
    trust = establish_trust(content, header, question.root)
    withheld = trust.withheld or contradiction(header, content, trust.pre_state_root, mode)
    request = ExecutionRequest(
        witness=question.path,
        block_hash=header.hash,
        pre_state_root=trust.pre_state_root,
        deadline=question.deadline,
        parent_header_optional=trust.parent_header_optional,
        ancestor_hashes=trust.ancestor_hashes,
        mode=mode,
    )
    results = await asyncio.gather(*(client.execute(request) for client in clients))
    votes = _votes(header, content, results, mode)
    if withheld:
        votes = [withhold(vote, withheld) for vote in votes]
    answers = []
    for vote, result in zip(votes, results, strict=True):
        classes: frozenset[ReasonClass] = frozenset()
        fields = tuple(each.field for each in vote.differences)
        if vote.kind is VoteKind.INVALID:
            outcome = result.outcome
            classes = of_reason(vote.adapter, outcome.rule if isinstance(outcome, BrokenRule) else fields)
        is_quoted = vote.kind is not VoteKind.VALID or question.expected is Expected.INVALID
        reason = (vote.reason or "") if is_quoted else ""
        ms = result.elapsed_ms if result.adapter_ms is None else result.adapter_ms
        answers.append(Answer(vote.adapter, vote.lineage, SAID[vote.kind], reason, classes, fields, ms))
    return tuple(answers)


def _votes(header: Header, content: BlockWitness, results: Sequence[Result], mode: Mode) -> Sequence[Vote]:
    if mode is Mode.PROOF:
        return [cast_vote(header, result) for result in results]
    recorded = None if content.poststate is None else decode_poststate(content.poststate)
    policy = _policy(tuple((result.adapter, result.lineage) for result in results))
    return cast_votes(header, results, policy, recorded)


@lru_cache
def _policy(lineages: tuple[tuple[str, str], ...]) -> QuorumPolicy:
    return quorum_policy(dict(lineages))


@lru_cache
def _chain_config(encoded: bytes) -> ChainConfig:
    return parse_chain_config(encoded)
