"""The execution client's own trace and receipts of a block that it has accepted, over JSON-RPC (namespaces debug, eth).

Its steps are told as adapters/CONTRACT.md has them. What its structLogs lack is added: accounts by following the calls,
and what it executes beyond the end of a code is left out. The account of a contract that comes to be inside a
transaction is not known, and compared with nobody's.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from verifier.domain.result import Abstention, AbstentionReason, Computed, Outcome, Result
from verifier.domain.trace import Step, TraceItem, TransactionEnd, TransactionStart
from verifier.domain.vote import COMPARED_FIELDS
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.tracer import TraceBatch
from witness.errors import WitnessError
from witness.formats.json_field import as_octets, hex_octets
from witness.model import Header

from .call_frames import CallFrames, Frame
from .engine_api import WITNESS_TIMEOUT, ExecutionRpc, RpcError
from .errors import ExecutionClientError
from .rpc_receipts import ExecutedTransaction, executed_transactions, receipts_of
from .struct_log import (
    TRACER_OPTIONS,
    LoggedEnd,
    LoggedItem,
    LoggedStep,
    MalformedTraceError,
    RefusedTraceError,
    StructLogReader,
)

STOP = 0x00
DELEGATION = bytes.fromhex("ef0100")  # what the code of a delegating account begins with (EIP-7702)
DELEGATION_LENGTH = 23
BATCH = 256  # steps at once, as adapters send them


class RpcTracer:
    """The execution client as a side of a disagreement: a Tracer, and a StatelessExecutor that tells its receipts.

    It executes nothing again for `execute`: it has accepted the block, so it computed every value of the header. A
    block that it does not have, or no trace: an abstention. name, lineage: of its vote.
    """

    def __init__(self, client: ExecutionRpc, name: str, lineage: str) -> None:
        self.name = name
        self.lineage = lineage
        self.expected_ms = 0.0
        self._client = client

    async def execute(self, request: ExecutionRequest) -> Result:
        """The header's values with the client's receipts. Never raises."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(request.deadline):
                header, transactions = await self._block(request.block_hash)
                outcome: Outcome = _computed(header, transactions)
        except TimeoutError:
            outcome = _late(request)
        except ExecutionClientError as error:
            outcome = _abstention(error)
        return Result(self.name, self.lineage, outcome, (time.monotonic() - started) * 1000)

    async def trace(
        self, request: ExecutionRequest, first: int = 0, count: int = 0
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        """As Tracer.trace. Holds a batch of steps and what the client sends at once, never a whole answer."""
        loop = asyncio.get_running_loop()
        due = loop.time() + request.deadline
        try:
            # A deadline around a generator's body would end whoever reads it: only the waiting is limited.
            async with asyncio.timeout_at(due):
                header, transactions = await self._block(request.block_hash)
            if any(each.receipt.succeeded is None for each in transactions):
                raise RefusedTraceError("its receipts are of before Byzantium, and do not tell what succeeded")
            async with aclosing(self._batches(header, transactions, first, count)) as batches:
                while True:
                    async with asyncio.timeout_at(due):
                        batch = await anext(batches, None)
                    if batch is None:
                        break
                    yield batch
            outcome: Outcome = _computed(header, transactions)
        except TimeoutError:
            outcome = _late(request)
        except ExecutionClientError as error:
            outcome = _abstention(error)
        yield Result(self.name, self.lineage, outcome)

    async def _block(self, block_hash: bytes) -> tuple[Header, tuple[ExecutedTransaction, ...]]:
        header = await self._client.header(block_hash)
        if header is None:
            raise RefusedTraceError("the execution client does not have the block")
        named = hex_octets(block_hash)
        block = await self._client.call("eth_getBlockByHash", named, True, timeout=WITNESS_TIMEOUT)
        receipts = await self._client.call("eth_getBlockReceipts", named, timeout=WITNESS_TIMEOUT)
        if block is None or receipts is None:
            raise RefusedTraceError("the execution client has no receipts of the block")
        return header, await asyncio.to_thread(executed_transactions, receipts, block)

    async def _batches(
        self, header: Header, transactions: Sequence[ExecutedTransaction], first: int, count: int
    ) -> AsyncGenerator[TraceBatch, None]:
        wanted = range(first, min(first + count, len(transactions)) if count else len(transactions))
        if not wanted:
            return
        codes = _Codes(self._client, header)
        canonical = await self._is_canonical(header)
        # One after the other: the client keeps what it answers in memory, and a block has hundreds of megabytes.
        while wanted and canonical:
            index, begun = wanted.start, False
            logs = self._logs("debug_traceTransaction", hex_octets(transactions[index].hash), block=False)
            try:
                async for batch in _transactions(logs, transactions, range(index, index + 1), index, codes):
                    begun = True
                    yield batch
                wanted = wanted[1:]
            except RefusedTraceError:
                # It may have been moved off the block meanwhile, as is done with one that is concluded INVALID.
                canonical = begun or await self._is_canonical(header)
                if canonical:
                    raise
        if wanted:
            # By its own hash a transaction is found in the canonical chain alone.
            logs = self._logs("debug_traceBlockByHash", hex_octets(header.hash), block=True)
            async for batch in _transactions(logs, transactions, wanted, 0, codes):
                yield batch

    async def _is_canonical(self, header: Header) -> bool:
        canonical = await self._client.header_at(header.number)
        return canonical is not None and canonical.hash == header.hash

    async def _logs(self, method: str, named: str, *, block: bool) -> AsyncGenerator[LoggedItem, None]:
        reader = StructLogReader(block=block)
        # geth gives a transaction 5 s of its own accord; how long we wait is decided here.
        options = {**TRACER_OPTIONS, "timeout": "600s"}
        async with aclosing(self._client.stream(method, named, options)) as parts:
            async for part in parts:
                for item in reader.read(part):
                    yield item
        for item in reader.close():
            yield item


async def _transactions(
    logs: AsyncGenerator[LoggedItem, None],
    transactions: Sequence[ExecutedTransaction],
    wanted: range,
    index: int,
    codes: "_Codes",
) -> AsyncIterator[TraceBatch]:
    """The items of the wanted transactions. index: of the first that `logs` tell of."""
    async with aclosing(logs):
        items: list[TraceItem] = []
        steps = 0
        frames: CallFrames | None = None
        async for item in logs:
            if index >= len(transactions):
                raise MalformedTraceError(f"more traces than the {len(transactions)} transactions")
            executed = transactions[index]
            if frames is None and index in wanted:
                frames, steps = CallFrames(executed.outermost), 0
                items.append(TransactionStart(index, executed.hash))
            if isinstance(item, LoggedEnd):
                if index in wanted:
                    items.append(TransactionEnd(index, bool(executed.receipt.succeeded), executed.gas_used, steps))
                index, frames = index + 1, None
                if index == wanted.stop:
                    break
            elif frames is not None:
                frame = frames.follow(item)
                if item.op == STOP and await codes.ends(frame, item.pc):
                    continue
                steps += 1
                items.append(_step(item, frame))
                if len(items) >= BATCH:
                    yield tuple(items)
                    items = []
        if index != wanted.stop:
            raise MalformedTraceError(f"no trace of transaction {index}")
        if items:
            yield tuple(items)


class _Codes:
    """Where codes end, asked of the client where it matters."""

    def __init__(self, client: ExecutionRpc, header: Header) -> None:
        self._client = client
        self._blocks = header.parent_hash, header.hash
        self._lengths: dict[bytes, int | None] = {}

    async def ends(self, frame: Frame, pc: int) -> bool:
        """Whether the code has ended before `pc`, so that what is there is no instruction (yellow paper 9.4.4)."""
        if not frame.code:
            return pc >= frame.length
        if frame.code not in self._lengths:
            code = await self._code(frame.code)
            self._lengths[frame.code] = len(code) or None
        length = self._lengths[frame.code]
        return length is not None and pc >= length

    async def _code(self, address: bytes) -> bytes:
        """As it was before the block, or after it, where it was deployed in it."""
        for block in self._blocks:
            code = await self._code_at(address, block)
            if len(code) == DELEGATION_LENGTH and code.startswith(DELEGATION):
                code = await self._code_at(code[len(DELEGATION) :], block)
            if code:
                return code
        return b""

    async def _code_at(self, address: bytes, block: bytes) -> bytes:
        try:
            answer = await self._client.call("eth_getCode", hex_octets(address), {"blockHash": hex_octets(block)})
            return as_octets(answer, "code")
        except (RpcError, WitnessError):  # it has the state no more, or does not take a block by its hash (EIP-1898)
            return b""


def _step(logged: LoggedStep, frame: Frame) -> Step:
    return Step(
        logged.depth, frame.account, logged.pc, logged.op, logged.gas, logged.stack, logged.gas_cost, 0, logged.error
    )


def _computed(header: Header, transactions: Sequence[ExecutedTransaction]) -> Computed:
    values: dict[str, Any] = {name: getattr(header, name) for name in COMPARED_FIELDS}
    return Computed(**values, receipts=receipts_of(transactions))


def _late(request: ExecutionRequest) -> Abstention:
    return Abstention(AbstentionReason.TIMEOUT, f"no answer within {request.deadline:.1f} s")


def _abstention(error: ExecutionClientError) -> Abstention:
    match error:
        case MalformedTraceError():
            return Abstention(AbstentionReason.CRASHED, f"malformed answer: {error}")
        case RefusedTraceError() | RpcError():
            return Abstention(AbstentionReason.REFUSED, str(error))
        case _:
            return Abstention(AbstentionReason.UNAVAILABLE, str(error))
