"""Judges blocks from witness files: offline replay. The same way from witness to verdict as in live use."""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from verifier.domain.block import BlockReference
from verifier.domain.quorum import Decision, QuorumPolicy, Verdict, decide
from verifier.domain.result import Result
from verifier.domain.vote import Vote, cast_vote, withhold
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from verifier.executors.stateless.pool import execute_on_all
from witness.chain_config import parse_chain_config
from witness.errors import WitnessError
from witness.file import check_binding, parent_state_root
from witness.model import BlockWitness, Header

from .sources import InputFailure, Source

# Seconds a block. Nothing waits for an offline verdict; the slowest client took 5 s alone on a full block, and here all
# share the cores.
DEADLINE = 120.0
# Blocks under way at once: enough that no adapter waits for another's slow block, few enough that memory is bounded.
WINDOW = 8
NO_TRUSTED_ROOT = bytes(32)  # no state has this root: an adapter cannot take it for one


@dataclass(frozen=True)
class ReplayOptions:
    """How blocks are judged.

    trusted_roots: block hash → the pre-state root that the caller trusts for it. chain_config: used instead of the
    files' own. accept_claims: trust a file's claimed parentStateRoot where it has no parent header.
    """

    policy: QuorumPolicy
    deadline: float = DEADLINE
    window: int = WINDOW
    trusted_roots: Mapping[bytes, bytes] = field(default_factory=dict)
    chain_config: bytes = b""
    accept_claims: bool = False


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


Replayed = BlockReport | InputFailure


async def judge(
    executors: Sequence[StatelessExecutor], path: Path, content: BlockWitness, options: ReplayOptions
) -> BlockReport:
    """Has one block executed by all and decides. Raises WitnessError if the file does not hold together."""
    started = time.monotonic()
    header = check_binding(content)
    fork = parse_chain_config(options.chain_config or content.chain_config).fork_at(header)
    root, withheld, parent_optional = _trusted_root(content, header, options)
    request = ExecutionRequest(
        path, header.hash, root or NO_TRUSTED_ROOT, options.deadline, options.chain_config, parent_optional
    )
    results: list[Result] = []
    votes: list[Vote] = []
    first, settled_ms = decide(options.policy, ()), 0.0
    async for result in execute_on_all(executors, request):
        results.append(result)
        vote = cast_vote(header, result)
        votes.append(withhold(vote, withheld) if withheld else vote)
        if not first.settled:
            first = decide(options.policy, votes)
            settled_ms = (time.monotonic() - started) * 1000
    decision = decide(options.policy, votes, closed=True)
    notes = [withheld] if withheld else []
    if first.settled and first.verdict is not decision.verdict:
        notes.append(f"was {first.verdict} after {settled_ms:.0f} ms, then slower votes made it {decision.verdict}")
    return BlockReport(
        block=BlockReference(content.chain_id, header.number, header.hash),
        parent_hash=header.parent_hash,
        fork=fork,
        gas_used=header.gas_used,
        decision=decision,
        votes=tuple(votes),
        results=tuple(results),
        first=first if first.settled else decision,
        settled_ms=settled_ms,
        total_ms=(time.monotonic() - started) * 1000,
        notes=tuple(notes),
    )


def claimed_parent_state_root(content: BlockWitness) -> bytes | None:
    """The pre-state root that the file's source claims without proof, 32 bytes, or None."""
    try:
        claim = json.loads(bytes(content.claims or b"{}")).get("parentStateRoot")
        root = bytes.fromhex(claim.removeprefix("0x"))
    except (ValueError, AttributeError):
        return None
    return root if len(root) == 32 else None


def _trusted_root(content: BlockWitness, header: Header, options: ReplayOptions) -> tuple[bytes | None, str, bool]:
    """(the trusted pre-state root or None, why a VALID must be withheld or "", whether the parent header may miss)."""
    bound = parent_state_root(content, header)
    trusted = options.trusted_roots.get(header.hash)
    if trusted is not None:
        if bound not in (None, trusted):
            return trusted, f"pre-state root 0x{(bound or b'').hex()} is not the trusted 0x{trusted.hex()}", False
        return trusted, "", bound is None
    if bound is None and options.accept_claims:
        claimed = claimed_parent_state_root(content)
        if claimed is not None:
            return claimed, "", True
    return bound, "" if bound else "no trusted pre-state root: the witness has no parent header", False


async def replay(
    executors: Sequence[StatelessExecutor], sources: Iterable[Source | InputFailure], options: ReplayOptions
) -> AsyncIterator[Replayed]:
    """Judges all sources, several at once, and yields their reports in the order of the sources.

    A block whose parent was judged earlier in the same run gets no VALID if that parent was rejected: its pre-state
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
    """The report, its VALID votes withheld if its parent was rejected (`verdicts`: block hash → verdict so far)."""
    if verdicts.get(report.parent_hash) is not Verdict.REJECT:
        return report
    why = "pre-state root is not trusted: the parent block was rejected in this run"
    votes = tuple(withhold(vote, why) for vote in report.votes)
    decision = decide(policy, votes, closed=True)
    return replace(report, votes=votes, decision=decision, first=decision, notes=(*report.notes, why))
