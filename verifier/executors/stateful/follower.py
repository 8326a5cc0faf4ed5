"""The embedded executor beside an execution client: it follows that client's chain, in a thread of its own.

Everything it has to do waits in one bounded queue, so neither a slow block nor a long way to catch up holds up whoever
asks: the event loop and the gates only ever wait for an outcome, and not longer than they want to.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from verifier.domain.block import BlockReference
from verifier.errors import ExecutorError, VerifierError
from witness.errors import EncodingError
from witness.header import decode_block_header
from witness.model import Header

from .base import ImportOutcome, StatefulExecutor
from .errors import NoWitnessError, UndecodableBlockError
from .source import BlockSource

log = logging.getLogger(__name__)

T = TypeVar("T")

NAME = "embedded"  # what the embedded executor is called in votes, logs and metrics
LINEAGE = "pyevm"
# Blocks that it catches up with by itself: a day of mainnet slots, which takes minutes. Whoever is further behind has
# it prepared (`verifier record`), where the progress can be seen.
DEPTH = 8192
# Blocks that may wait: as many as the judge has under way at once.
QUEUE = 64
# Payloads that may wait to be executed ahead of anybody asking: half of an epoch. Others need the rest of the queue.
AHEAD = 16
WITNESSES_KEPT = 4  # outcomes with their witness (megabytes): as many as the judge prepares at once
OUTCOMES_KEPT = 256  # without: eight epochs
PROGRESS = 256  # blocks between two log lines while it catches up


class FollowingExecutor(StatefulExecutor, Protocol):
    """A stateful executor whose chain another one leads."""

    def knows(self, block_hash: bytes) -> bool:
        """Whether blocks can be executed on this one."""

    def execute(self, encoded: bytes) -> ImportOutcome:
        """As import_block, also for a block that the chain has; nothing is kept of it."""

    def close(self) -> None:
        """Lets go of its database."""


class Follower:
    """Executes the blocks of an execution client's chain. For one event loop; `close` it when done.

    open_executor: called in the thread when it is first needed; called again later if it raises. blocks: where missing
    ancestors are fetched. depth: how many of them at most. queue, ahead: see QUEUE and AHEAD. `opened` is called when
    the executor has been opened. `invalid` says of a block's hash whether it is known to be INVALID: such a block is
    executed where it is asked for, and never becomes part of the executor's chain.
    """

    def __init__(
        self,
        open_executor: Callable[[], FollowingExecutor],
        blocks: BlockSource,
        *,
        depth: int = DEPTH,
        queue: int = QUEUE,
        ahead: int = AHEAD,
    ) -> None:
        self.opened: Callable[[], None] = lambda: None
        self.invalid: Callable[[bytes], bool] = lambda _: False
        self._open = open_executor
        self._blocks = blocks
        self._depth = depth
        self._queue = queue
        self._ahead = ahead
        self._executor: FollowingExecutor | None = None
        # The executor is not for several threads.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedded")
        self._turn = asyncio.Lock()
        self._under_way: dict[bytes, asyncio.Task[ImportOutcome]] = {}
        self._kept: OrderedDict[bytes, ImportOutcome] = OrderedDict()
        self._returns: list[tuple[bytes, frozenset[bytes]]] = []  # targets and dead blocks, for when it is opened

    @property
    def following(self) -> bool:
        """Whether it is open."""
        return self._executor is not None

    @property
    def waiting(self) -> int:
        """Blocks that are being executed or wait for it."""
        return len(self._under_way)

    async def start(self) -> BlockReference:
        """Opens the executor; its head. Raises what opening raises."""
        async with self._turn:
            executor = await self._opened()
            return await self._run(executor.head)

    async def knows(self, block_hash: bytes) -> bool:
        """Whether the block was executed as valid, or is the genesis block. Raises ExecutorError."""
        async with self._turn:
            executor = await self._opened()
            return await self._run(partial(executor.knows, block_hash))

    def kept(self, block_hash: bytes) -> ImportOutcome | None:
        """The outcome of a block that was executed lately; its witness may be forgotten already."""
        return self._kept.get(block_hash)

    def follow(self, encoded: bytes) -> None:
        """Executes a block soon, if there is room and the executor is open; nobody waits for it."""
        if self._executor is None or len(self._under_way) >= self._ahead:
            return  # whoever asks for it or its descendants later has it executed then
        try:
            self._begin(encoded)
        except VerifierError as error:
            log.debug("a payload is not executed: %s", error)

    async def outcome(self, encoded: bytes, *, witness: bool = True) -> ImportOutcome:
        """What executing the block (RLP) says, its ancestors executed first where they are missing.

        witness: whether `ImportOutcome.witness` is needed. Whether it is valid is in the outcome. Raises
        NoWitnessError: the queue is full, or the chain below cannot be had or executed; ExecutorError.
        """
        kept = self._kept.get(_header(encoded).hash)
        if kept is not None and (kept.witness is not None or not witness):
            return kept
        return await asyncio.shield(self._begin(encoded))

    async def rollback(self, target: bytes, dead: Collection[bytes]) -> str:
        """Makes `target` the head again if the head is one of the `dead` blocks. May be called again.

        What became of it where that is remarkable, one line. Not opened for this: where it is not, it is done as soon
        as it is opened. Raises ExecutorError: the head is still where it was.
        """
        leaving = frozenset(dead)
        async with self._turn:
            if self._executor is None:
                self._returns.append((target, leaving))
                return "the embedded executor is not open, and leaves the branch when it is opened"
            await self._run(partial(_leave, self._executor, target, leaving))
        return ""

    async def close(self) -> None:
        """Gives up what waits, and closes the executor once the block that is being executed is done."""
        tasks = list(self._under_way.values())
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._run(self._close_here)
        await asyncio.to_thread(self._thread.shutdown)

    def _begin(self, encoded: bytes) -> asyncio.Task[ImportOutcome]:
        header = _header(encoded)
        task = self._under_way.get(header.hash)
        if task is not None:
            return task
        if len(self._under_way) >= self._queue:
            raise NoWitnessError(f"the embedded executor is busy: {len(self._under_way)} blocks wait for it")
        task = asyncio.create_task(self._reach(encoded, header), name=f"embedded {header.number}")
        self._under_way[header.hash] = task
        task.add_done_callback(partial(self._ended, header.hash))
        return task

    def _ended(self, block_hash: bytes, task: asyncio.Task[ImportOutcome]) -> None:
        del self._under_way[block_hash]
        if not task.cancelled() and task.exception() is not None:
            log.debug("block 0x%s was not executed: %s", block_hash.hex(), task.exception())

    async def _reach(self, encoded: bytes, header: Header) -> ImportOutcome:
        async with self._turn:
            executor = await self._opened()
            missing = await self._missing(executor, header)
            for count, block_hash in enumerate(reversed(missing)):
                if count % PROGRESS == PROGRESS - 1:
                    log.info("the embedded executor catches up: %d of %d blocks", count + 1, len(missing))
                await self._import_ancestor(executor, block_hash)
            if self.invalid(header.hash):
                outcome = await self._run(partial(executor.execute, encoded))
            else:
                outcome = await self._import(executor, encoded)
            if outcome.known:
                outcome = await self._run(partial(executor.execute, encoded))
            self._keep(header.hash, outcome)
            return outcome

    async def _missing(self, executor: FollowingExecutor, header: Header) -> list[bytes]:
        """Ancestors that the executor lacks, the parent first."""
        missing: list[bytes] = []
        child = header
        head = await self._run(executor.head)
        while not await self._run(partial(executor.knows, child.parent_hash)):
            if len(missing) >= self._depth or child.number - 1 - head.number > self._depth:
                raise NoWitnessError(too_far(head.number, header.number, self._depth))
            found = await self._blocks.header(child.parent_hash)
            if found is None or found.number + 1 != child.number:
                why = "the execution client does not have" if found is None else "of a wrong number is"
                raise NoWitnessError(f"{why} block 0x{child.parent_hash.hex()}, the parent of block {child.number}")
            if found.number == 0:
                raise NoWitnessError(f"the embedded executor's chain has another block 0 than 0x{found.hash.hex()}")
            if self.invalid(found.hash):
                raise NoWitnessError(f"an ancestor of block {header.number} is invalid: 0x{found.hash.hex()}")
            missing.append(found.hash)
            child = found
        return missing

    async def _import_ancestor(self, executor: FollowingExecutor, block_hash: bytes) -> None:
        encoded = await self._blocks.block(block_hash)
        if encoded is None:
            raise NoWitnessError(f"the execution client does not have block 0x{block_hash.hex()}")
        outcome = await self._import(executor, encoded)
        if outcome.invalid is not None:
            text = f"the embedded executor says INVALID of the ancestor {outcome.block}: {outcome.invalid}"
            raise NoWitnessError(text)
        self._keep(block_hash, replace(outcome, witness=None))

    async def _import(self, executor: FollowingExecutor, encoded: bytes) -> ImportOutcome:
        return await self._run(partial(executor.import_block, encoded))

    def _keep(self, block_hash: bytes, outcome: ImportOutcome) -> None:
        if outcome.results is None and outcome.invalid is None:
            return  # known, and not executed again
        self._kept[block_hash] = outcome
        self._kept.move_to_end(block_hash)
        with_witness = [each for each, kept in self._kept.items() if kept.witness is not None]
        for each in with_witness[:-WITNESSES_KEPT]:
            self._kept[each] = replace(self._kept[each], witness=None)
        while len(self._kept) > OUTCOMES_KEPT:
            self._kept.popitem(last=False)

    async def _opened(self) -> FollowingExecutor:
        if self._executor is not None:
            return self._executor
        executor = await self._run(self._open_here)
        self.opened()
        return executor

    # In the thread, also what is kept of it: whoever waited may be gone by then, and it has to be closed all the same.
    def _open_here(self) -> FollowingExecutor:
        executor = self._executor = self._open()
        for target, dead in self._returns:
            try:
                _leave(executor, target, dead)
            except ExecutorError as error:
                log.warning("the embedded executor stays on an invalid branch: %s", error)
        self._returns.clear()
        log.info("the embedded executor is open, at block %s", executor.head())
        return executor

    def _close_here(self) -> None:
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    async def _run(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)


def _leave(executor: FollowingExecutor, target: bytes, dead: Collection[bytes]) -> None:
    """Takes the head from a dead branch; one that is elsewhere stays."""
    if executor.head().hash in dead:
        executor.rollback(target)


def too_far(head: int, number: int, depth: int = DEPTH) -> str:
    """Why an executor whose head is block `head` cannot go on to block `number` by itself, and what to do."""
    return (
        f"the embedded executor is at block {head} and cannot reach block {number}: it has no state but what follows "
        f"from its genesis block by execution, and catches up with {depth} blocks at most; have its directory prepared "
        "by `verifier record --state`, or take witnesses from the execution client"
    )


def _header(encoded: bytes) -> Header:
    try:
        return decode_block_header(encoded)
    except EncodingError as error:
        raise UndecodableBlockError(f"not a block: {error}") from None
