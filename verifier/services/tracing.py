"""Traces of a block by several adapters at once, compared while they run."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from verifier.domain.block import BlockReference
from verifier.domain.divergence import Divergence, TraceComparison, TransactionTrace
from verifier.domain.result import Abstention, AbstentionReason, Mode, Result
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.tracer import TraceBatch, Tracer
from witness.chain_config import parse_chain_config
from witness.file import check_binding
from witness.model import BlockWitness

from .trust import establish_trust

# Seconds a block. All wait for the slowest: a million steps take a Python client a minute, and all share the cores.
DEADLINE = 900.0
CONTEXT = 5  # agreed steps shown before a divergence


@dataclass(frozen=True)
class TraceOptions:
    """first, count: transactions whose steps are wanted, count 0 for all. context: agreed steps before a divergence.

    chain_config: used instead of the file's own. accept_claims: as for replay. deadline: seconds a block.
    """

    first: int = 0
    count: int = 0
    context: int = CONTEXT
    deadline: float = DEADLINE
    chain_config: bytes = b""
    accept_claims: bool = False
    mode: Mode = Mode.PROOF


@dataclass(frozen=True)
class BlockTrace:
    """What came of one block.

    compared: adapters whose streams were compared, to their end or to the divergence. steps: how many were equal, in
    whole transactions. apart: adapter → why it is not compared. results: of those that came to an end.
    """

    block: BlockReference
    fork: str
    compared: tuple[str, ...]
    transactions: int
    steps: int
    apart: Mapping[str, Abstention]
    divergence: Divergence | None
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool | None:
        """Whether the streams are equal; None where fewer than two adapters could be compared."""
        if self.divergence is not None:
            return False
        return True if len(self.compared) > 1 else None


def trace_request(path: Path, content: BlockWitness, options: TraceOptions) -> tuple[ExecutionRequest, tuple[str, ...]]:
    """What the adapters are asked for, and notes for the report. Raises WitnessError."""
    header = check_binding(content)
    trust = establish_trust(content, header, None, accept_claims=options.accept_claims)
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
    return request, trust.notes


async def compare_traces(
    tracers: Sequence[Tracer], path: Path, content: BlockWitness, options: TraceOptions
) -> AsyncGenerator[TransactionTrace | BlockTrace, None]:
    """Yields each transaction that all trace alike as soon as it is done, and at last the block.

    Nobody is read further than one batch ahead of the others, and an adapter that is not read waits. So two blocks
    must not be compared at once by the same adapters: each could hold a place that the other waits for. Raises
    WitnessError.
    """
    request, notes = trace_request(path, content, options)
    async with aclosing(compare_requested(tracers, request, content, options, notes)) as traces:
        async for each in traces:
            yield each


async def compare_requested(
    tracers: Sequence[Tracer],
    request: ExecutionRequest,
    content: BlockWitness,
    options: TraceOptions,
    notes: tuple[str, ...] = (),
) -> AsyncGenerator[TransactionTrace | BlockTrace, None]:
    """As compare_traces, with a request that is made already; of the options only first, count and context count."""
    fork = parse_chain_config(request.chain_config or content.chain_config).fork_at(check_binding(content))
    comparison = TraceComparison([tracer.name for tracer in tracers], options.context)
    streams = {tracer.name: tracer.trace(request, options.first, options.count) for tracer in tracers}
    results: list[Result] = []
    transactions = 0
    try:
        while not comparison.finished:
            async with asyncio.TaskGroup() as group:
                reading = {name: group.create_task(_read(streams[name])) for name in comparison.wanted}
            for name, task in reading.items():
                match task.result():
                    case Result() as result:
                        results.append(result)
                        comparison.finish(name, result.outcome)
                    case None:
                        comparison.finish(name, Abstention(AbstentionReason.CRASHED, "the trace has no outcome"))
                    case batch:
                        comparison.feed(name, batch)
            for transaction in comparison.advance():
                transactions += 1
                yield transaction
    finally:
        for stream in streams.values():
            await stream.aclose()
    yield BlockTrace(
        block=BlockReference(content.chain_id, content.number, content.hash),
        fork=fork,
        compared=comparison.compared,
        transactions=transactions,
        steps=comparison.steps,
        apart=comparison.apart,
        divergence=comparison.divergence,
        results=tuple(results),
        notes=notes,
    )


async def read_trace(
    tracer: Tracer, path: Path, content: BlockWitness, options: TraceOptions
) -> AsyncGenerator[TraceBatch | Result, None]:
    """One adapter's trace as it comes. Raises WitnessError."""
    request, _ = trace_request(path, content, options)
    async with aclosing(tracer.trace(request, options.first, options.count)) as stream:
        async for each in stream:
            yield each


async def _read(stream: AsyncGenerator[TraceBatch | Result, None]) -> TraceBatch | Result | None:
    return await anext(stream, None)
