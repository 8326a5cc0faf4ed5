"""An adapter that somebody else runs: reached, watched, reached again; its witnesses are uploaded to it."""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace

from verifier.domain.result import Abstention, AbstentionReason, Result
from verifier.errors import AdapterError, VerifierError

from .base import ExecutionRequest
from .client import AdapterClient, AdapterLostError, AdapterStartingError, Description
from .process import START_TIMEOUT
from .remotes import Remote
from .tracer import TraceBatch
from .upload import UploadForgottenError, UploadRefusedError, WitnessDigests

log = logging.getLogger(__name__)

REACH_TIMEOUT = 5.0  # seconds for health and description over a network, on a machine that is busy executing
FIRST_BACKOFF = 0.25  # seconds between two attempts to reach it, doubled at each further one
LAST_BACKOFF = 10.0  # seconds; an attempt costs nothing, and an operator who has repaired it waits for it
# Seconds that a block waits for an adapter that does not answer: enough for a restart or a network that hiccups. Beyond
# it blocks are not kept waiting; the adapter is used again as soon as it is back.
AWAY_PATIENCE = 10.0
ATTEMPTS = 3  # times that the connection may break on one block: by then it is the block that breaks it
RESENDS = 3  # times that one block's upload may be forgotten before it is asked about
# Witnesses between the start of their upload and the end of their execution: what every adapter holds by the contract.
WITNESSES_AT_ONCE = 4
REMEMBERED = 64  # uploads that it may still hold; one that it has forgotten costs a round trip


class Connection:
    """One connection that was made, and how many requests are on it."""

    def __init__(self, client: AdapterClient) -> None:
        self.client = client
        self.doubted = asyncio.Event()
        self._requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """A request is on it as long as the context lasts."""
        self._requests += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._requests -= 1
            if not self._requests:
                self._idle.set()

    async def lasts(self) -> None:
        """Returns when it is gone, or somebody has doubts about it."""
        tasks = [asyncio.create_task(self.client.wait_disconnected()), asyncio.create_task(self.doubted.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Closes it when its last request is done: gRPC would cancel those under way."""
        await self._idle.wait()
        await self.client.close()


class RemoteAdapter:
    """A stateless executor and tracer behind an address. `start` it, `close` it."""

    def __init__(self, remote: Remote, digests: WitnessDigests) -> None:
        self.name = remote.name
        self.lineage = remote.lineage
        self.address = remote.address
        self.expected_ms = 0.0
        self.reason = "not reached yet"
        self.connects = 0
        self._digests = digests
        self._held: OrderedDict[bytes, None] = OrderedDict()
        self._uploading = asyncio.Lock()
        self._places = asyncio.Semaphore(WITNESSES_AT_ONCE)
        self._connection: Connection | None = None
        self._changed = asyncio.Condition()
        self._patience_ends = 0.0
        self._watching: asyncio.Task[None] | None = None
        self._closing = set[asyncio.Task[None]]()

    @property
    def connected(self) -> bool:
        """Whether it could be asked now."""
        return self._connection is not None

    @property
    def description(self) -> Description | None:
        """What it says of itself; None while it is away."""
        return None if self._connection is None else self._connection.client.description

    def start(self) -> None:
        """Starts to reach it; returns at once."""
        if self._watching is None:
            self._patience_ends = time.monotonic() + AWAY_PATIENCE
            self._watching = asyncio.create_task(self._watch(), name=f"watch {self.name}")

    async def wait_ready(self) -> bool:
        """Waits until it is reached (True), or has been away for longer than a block would wait for it."""
        return await self._wait_connection() is not None

    async def close(self) -> None:
        """Ends the connection. No request may be under way."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def execute(self, request: ExecutionRequest) -> Result:
        """Brings the witness there and asks, again where the connection breaks, within the deadline. Never raises."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(request.deadline), self._places:
                result = await self._execute(request, started)
        except TimeoutError:
            result = self._abstain(AbstentionReason.TIMEOUT, f"no answer within {request.deadline:.1f} s", started)
        if result.has_timed_out:
            self._doubt(self._connection)
        else:
            self.expected_ms = result.elapsed_ms
        return result

    async def trace(
        self, request: ExecutionRequest, first: int = 0, count: int = 0
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        """See Tracer. A trace that breaks off is not started again."""
        started = time.monotonic()
        attempt = _Attempts()
        begun = False
        while True:
            connection: Connection | None = None
            try:
                async with asyncio.timeout(_remaining(request, started)):
                    connection = await self._wait_connection()
                    uploaded = None if connection is None else await self._upload(connection, request, started)
                if connection is None:
                    yield self._abstain(AbstentionReason.UNAVAILABLE, f"{self.address}: {self.reason}", started)
                    return
                left = replace(request, deadline=_remaining(request, started))
                with connection.in_use():
                    async with contextlib.aclosing(connection.client.trace(left, first, count, uploaded)) as stream:
                        async for each in stream:
                            begun = True
                            if isinstance(each, Result) and each.has_timed_out:
                                self._doubt(connection)
                            yield each
                return
            except TimeoutError:
                reason = f"not there within {request.deadline:.1f} s"
                yield self._abstain(AbstentionReason.TIMEOUT, reason, started)
                return
            except AdapterError as error:
                self._note(error, connection, request)
                final = attempt.failed(error)
                if final is not None or begun:
                    reason, detail = final or (AbstentionReason.CRASHED, str(error))
                    yield self._abstain(AbstentionReason(reason), detail, started)
                    return

    async def _execute(self, request: ExecutionRequest, started: float) -> Result:
        attempt = _Attempts()
        while True:
            connection = await self._wait_connection()
            if connection is None:
                return self._abstain(AbstentionReason.UNAVAILABLE, f"{self.address}: {self.reason}", started)
            try:
                uploaded = await self._upload(connection, request, started)
                with connection.in_use():
                    left = replace(request, deadline=_remaining(request, started))
                    return await connection.client.execute(left, uploaded)
            except AdapterError as error:
                self._note(error, connection, request)
                final = attempt.failed(error)
                if final is not None:
                    return self._abstain(*final, started)

    def _note(self, error: AdapterError, connection: Connection | None, request: ExecutionRequest) -> None:
        log.info("adapter=%s event=failed block=%s reason=%r", self.name, request.block_hash.hex()[:8], str(error))
        if isinstance(error, AdapterLostError):
            self._doubt(connection)
        elif isinstance(error, UploadForgottenError):
            self._held.clear()  # it was started anew, or holds fewer than it was sent

    async def _upload(self, connection: Connection, request: ExecutionRequest, started: float) -> bytes | None:
        """The digest of the witness, which is there now; None where it reads our files. Raises AdapterError."""
        if self.address.shares_files:
            return None
        description = connection.client.description
        if description is not None and not description.uploads:
            raise UploadRefusedError("it takes no uploads, and does not share this machine's files")
        witness = await self._digests.of(request.witness)
        # One after the other: they share the network anyway, and one witness is asked for by several at once.
        async with self._uploading:
            if witness.digest not in self._held:
                with connection.in_use():
                    await connection.client.upload(request.witness, witness, _remaining(request, started))
                log.debug("adapter=%s event=uploaded bytes=%d", self.name, witness.length)
            self._held[witness.digest] = None
            self._held.move_to_end(witness.digest)
            while len(self._held) > REMEMBERED:
                self._held.popitem(last=False)
        return witness.digest

    async def _wait_connection(self) -> Connection | None:
        """The connection; None where there has been none for longer than is waited for."""
        async with self._changed:
            while self._connection is None:
                patience = self._patience_ends - time.monotonic()
                if patience <= 0:
                    return None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await self._changed.wait()
            return self._connection

    def _doubt(self, connection: Connection | None) -> None:
        """Something went wrong on it: it is looked at before anything else is sent."""
        if connection is not None and connection is self._connection:
            connection.doubted.set()
            self._connection = None
            self._patience_ends = time.monotonic() + AWAY_PATIENCE

    async def _watch(self) -> None:
        backoff = FIRST_BACKOFF
        connection: Connection | None = None
        try:
            while True:
                connection = Connection(AdapterClient(self.name, self.lineage, self.address))
                reason = await self._reach(connection)
                if not reason:
                    backoff = FIRST_BACKOFF
                    reason = await self._keep(connection)
                # Once a reason: it is tried again for ever.
                level = logging.DEBUG if reason == self.reason else logging.WARNING
                log.log(level, "adapter=%s event=away address=%s reason=%r", self.name, self.address, reason)
                await self._set(None, reason)
                self._retire(connection)
                connection = None
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, LAST_BACKOFF)
        except VerifierError as error:  # TLS files that were there at the start
            await self._set(None, str(error))
        finally:
            self._connection = None
            if connection is not None:
                self._retire(connection)

    async def _keep(self, connection: Connection) -> str:
        """Offers the connection until it is gone; why it is."""
        self.connects += 1
        log.info("adapter=%s event=reached address=%s", self.name, self.address)
        while True:
            await self._set(connection, "")
            await connection.lasts()
            if not connection.doubted.is_set():
                return "the connection is gone"
            connection.doubted.clear()
            reason = await self._reach(connection)
            if reason:
                return reason

    async def _reach(self, connection: Connection) -> str:
        """Why the adapter cannot be used over this connection; "" if it can."""
        try:
            async with asyncio.timeout(REACH_TIMEOUT):
                await connection.client.reach()
        except TimeoutError:
            return f"no answer within {REACH_TIMEOUT:.0f} s"
        except AdapterStartingError as error:
            # It is there, so it is worth waiting for, as for an adapter of our own.
            if not self.reason.startswith(str(error)):
                self._patience_ends = time.monotonic() + START_TIMEOUT
            return str(error)
        except AdapterError as error:
            return str(error)
        return ""

    async def _set(self, connection: Connection | None, reason: str) -> None:
        async with self._changed:
            if connection is None and self._connection is not None:
                self._patience_ends = time.monotonic() + AWAY_PATIENCE
            self._connection, self.reason = connection, reason
            self._changed.notify_all()

    def _retire(self, connection: Connection) -> None:
        task = asyncio.create_task(connection.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _abstain(self, reason: AbstentionReason, detail: str, started: float) -> Result:
        elapsed_ms = (time.monotonic() - started) * 1000
        return Result(self.name, self.lineage, Abstention(reason, detail), elapsed_ms)


class _Attempts:
    """How often one request failed, and whether it is enough."""

    def __init__(self) -> None:
        self._losses = 0
        self._forgotten = 0

    def failed(self, error: AdapterError) -> tuple[AbstentionReason, str] | None:
        """What to abstain with; None if it is worth another attempt."""
        if isinstance(error, AdapterLostError):
            self._losses += 1
            if self._losses < ATTEMPTS:
                return None
            return AbstentionReason.CRASHED, f"the connection broke {self._losses} times: {error}"
        if isinstance(error, UploadForgottenError):
            self._forgotten += 1
            if self._forgotten <= RESENDS:
                return None
            return AbstentionReason.CRASHED, f"it forgot the witness {self._forgotten} times: {error}"
        if isinstance(error, UploadRefusedError):
            return AbstentionReason.REFUSED, str(error)
        return AbstentionReason.CRASHED, str(error)


def _remaining(request: ExecutionRequest, started: float) -> float:
    return max(0.001, request.deadline - (time.monotonic() - started))
