"""Judges blocks from witness files: offline replay. The same way from witness to verdict as in live use."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from verifier.domain.block import BlockReference
from verifier.domain.quorum import Decision, QuorumPolicy, Verdict, decide
from verifier.domain.result import Mode, Result
from verifier.domain.vote import Vote, withhold
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from verifier.executors.stateless.pool import execute_on_all
from witness.chain_config import parse_chain_config
from witness.errors import WitnessError
from witness.file import check_binding
from witness.model import BlockWitness

from .ballot import Ballot, contradiction
from .sources import InputFailure, Source
from .trust import establish_trust

# Seconds a block. Nothing waits for an offline verdict; the slowest client took 5 s alone on a full block, and here all
# share the cores.
DEADLINE = 120.0
# Blocks under way at once: enough that no adapter waits for another's slow block, few enough that memory is bounded.
WINDOW = 8


@dataclass(frozen=True)
class ReplayOptions:
    """How blocks are judged.

    trusted_roots: block hash → the pre-state root that the caller trusts for it. chain_config: used instead of the
    files' own. accept_claims: trust a file's claims (pre-state root, ancestors' hashes) where it has no headers. mode:
    what all adapters are asked for.
    """

    policy: QuorumPolicy
    deadline: float = DEADLINE
    window: int = WINDOW
    trusted_roots: Mapping[bytes, bytes] = field(default_factory=dict)
    chain_config: bytes = b""
    accept_claims: bool = False
    mode: Mode = Mode.PROOF


@dataclass(frozen=True)
class BlockReport:
    """What came of one block. Times in milliseconds from when the file's content was at hand.

    first: the decision that was settled first, at settled_ms; decision: the final one, with all votes.
    """

    block: BlockReference
    parent_hash: bytes
    fork: str
    gas_used: int
    decision: Decision
    votes: tuple[Vote, ...]
    results: tuple[Result, ...]
    first: Decision
    settled_ms: float
    total_ms: float
    notes: tuple[str, ...] = ()
    mode: Mode = Mode.PROOF


Replayed = BlockReport | InputFailure


async def judge(
    executors: Sequence[StatelessExecutor], path: Path, content: BlockWitness, options: ReplayOptions
) -> BlockReport:
    """Has one block executed by all and decides. Raises WitnessError if the file does not hold together."""
    started = time.monotonic()
    header = check_binding(content)
    fork = parse_chain_config(options.chain_config or content.chain_config).fork_at(header)
    trust = establish_trust(
        content, header, options.trusted_roots.get(header.hash), accept_claims=options.accept_claims
    )
    request = ExecutionRequest(
        witness=path,
        block_hash=header.hash,
        pre_state_root=trust.pre_state_root,
        deadline=options.deadline,
        chain_config=options.chain_config,
        parent_header_optional=trust.parent_header_optional,
        ancestor_hashes=trust.ancestor_hashes,
        mode=options.mode,
    )
    withheld = trust.withheld or contradiction(header, content, trust.pre_state_root, options.mode)
    ballot = Ballot(header, content, options.policy, options.mode, withheld=withheld)
    first, settled_ms = ballot.decision(), 0.0
    async for result in execute_on_all(executors, request):
        ballot.add(result)
        if not first.settled:
            first = ballot.decision()
            settled_ms = (time.monotonic() - started) * 1000
    decision = ballot.decision(closed=True)
    notes = list(trust.notes)
    if options.mode is Mode.PRESTATE:
        compared = "the recorded post-state" if content.poststate is not None else "one another"
        notes.append(f"prestate mode: pre-values and state root not proven; compared with {compared}")
    if first.settled and first.verdict is not decision.verdict:
        notes.append(f"was {first.verdict} after {settled_ms:.0f} ms, then slower votes made it {decision.verdict}")
    return BlockReport(
        block=BlockReference(content.chain_id, header.number, header.hash),
        parent_hash=header.parent_hash,
        fork=fork,
        gas_used=header.gas_used,
        decision=decision,
        votes=ballot.votes,
        results=tuple(ballot.results),
        first=first if first.settled else decision,
        settled_ms=settled_ms,
        total_ms=(time.monotonic() - started) * 1000,
        notes=tuple(notes),
        mode=options.mode,
    )


async def replay(
    executors: Sequence[StatelessExecutor], sources: Iterable[Source | InputFailure], options: ReplayOptions
) -> AsyncIterator[Replayed]:
    """Judges all sources, several at once, and yields their reports in the order of the sources.

    A block whose parent was judged earlier in the same run gets no statement if that parent was rejected: its pre-state
    root is then none that the verifier computed.
    """
    verdicts: dict[bytes, Verdict] = {}
    under_way: deque[tuple[Source, asyncio.Task[BlockReport]] | InputFailure] = deque()
    remaining = iter(sources)
    try:
        while True:
            for source in islice(remaining, options.window - len(under_way)):
                if isinstance(source, InputFailure):
                    under_way.append(source)
                else:
                    task = asyncio.create_task(judge(executors, source.path, source.content, options))
                    under_way.append((source, task))
                await asyncio.sleep(0)  # let it be sent before the next source is read
            if not under_way:
                return
            oldest = under_way[0]
            if isinstance(oldest, InputFailure):
                yield oldest
            else:
                source, task = oldest
                try:
                    report = check_parent(await task, verdicts, options.policy)
                except WitnessError as error:
                    yield InputFailure(source.path, str(error))
                else:
                    verdicts[report.block.hash] = report.decision.verdict
                    yield report
                if source.temporary:
                    source.path.unlink(missing_ok=True)
            under_way.popleft()
    finally:
        for item in under_way:
            if not isinstance(item, InputFailure):
                item[1].cancel()


def check_parent(report: BlockReport, verdicts: Mapping[bytes, Verdict], policy: QuorumPolicy) -> BlockReport:
    """The report, its votes withheld if its parent was rejected (`verdicts`: block hash → verdict so far)."""
    if verdicts.get(report.parent_hash) is not Verdict.REJECT:
        return report
    why = "pre-state root is not trusted: the parent block was rejected in this run"
    votes = tuple(withhold(vote, why) for vote in report.votes)
    decision = decide(policy, votes, closed=True)
    return replace(report, votes=votes, decision=decision, first=decision, notes=(*report.notes, why))
