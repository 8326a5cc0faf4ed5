"""Holding an answer until its block is decided, or until the consensus client would give up."""

import asyncio
from dataclasses import dataclass

from verifier.domain.event import Alarm, GateAnswered, Observer
from verifier.domain.gate import EngineAnswer, GateMode, HoldAnswer, PayloadStatus, engine_answer
from verifier.domain.standing import Standing, StandingReport
from verifier.domain.status import ExecutorStatus
from verifier.services.chain_view import ChainView

# Seconds after which consensus clients give up (execution-apis, `timeout` of each method); V5 is newPayload's.
CALLER_TIMEOUT, CALLER_TIMEOUT_V5 = 8.0, 6.0
MARGIN = 1.0  # seconds for the answer's way back: on a busy machine the caller's clock starts before ours
DEFAULT_HOLD = 6.0  # seconds; half a slot, so that the vote is still in time for what follows


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """mode: what is gated. answer: what an undecided block gets at the deadline. seconds: from the call's arrival.

    payload_seconds and forkchoice_seconds: how long each kind of call is held, at most what its caller waits for.
    """

    mode: GateMode = GateMode.EVERY_BLOCK
    answer: HoldAnswer = HoldAnswer.SYNCING
    payload_seconds: float = DEFAULT_HOLD
    forkchoice_seconds: float = DEFAULT_HOLD

    def payload(self, version: int | None) -> float:
        """Seconds for a newPayload of this version; unknown ones as the newest."""
        known = CALLER_TIMEOUT if version is not None and version < 5 else CALLER_TIMEOUT_V5
        return min(self.payload_seconds, known - MARGIN)

    def forkchoice(self) -> float:
        """Seconds for a forkchoiceUpdated."""
        return min(self.forkchoice_seconds, CALLER_TIMEOUT - MARGIN)


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as the gate holds it. arrival, deadline: in seconds of the event loop's clock."""

    method: str
    block_hash: bytes | None
    arrival: float
    deadline: float


class Hold:
    """Decides what is answered about a block. Nothing but an event comes of `chain` failing: the block is undecided."""

    def __init__(self, policy: HoldPolicy, chain: ChainView, observer: Observer) -> None:
        self.policy = policy
        self._chain = chain
        self._observer = observer
        self._watches: set[asyncio.Task[None]] = set()

    @property
    def gates(self) -> bool:
        """Whether anything is held or changed at all."""
        return self.policy.mode is not GateMode.MONITOR

    def standing(self, block_hash: bytes) -> StandingReport:
        """Where a block stands now."""
        try:
            return self._chain.standing(block_hash)
        except Exception as error:
            return self._failed(block_hash, error)

    def latest_valid_ancestor(self, block_hash: bytes) -> bytes | None:
        """`latestValidHash` of a block that stands INVALID."""
        try:
            return self._chain.latest_valid_ancestor(block_hash)
        except Exception as error:
            self._failed(block_hash, error)
            return None

    async def settle(self, asked: Asked, executor: PayloadStatus, unknown: str = "") -> EngineAnswer:
        """What to answer where the execution client says `executor`; waits for the decision as long as there is time.

        unknown: why nothing can ever be known about the block, "" if something can.
        """
        since = asyncio.get_running_loop().time()
        if asked.block_hash is None or unknown:
            report = StandingReport(Standing.UNKNOWN, asked.block_hash or b"", unknown or "names no block")
            return self._told(asked, self._answer(executor, report, asked.block_hash), since)
        answer = self._now(asked.block_hash, executor)
        if not answer.gated or executor.status is not ExecutorStatus.VALID:
            return self._told(asked, answer, since)
        if not self.gates:
            self._watch(asked, executor)
            return answer
        await self._wait(asked)
        return self._told(asked, self._now(asked.block_hash, executor), since)

    def silent(self, asked: Asked) -> EngineAnswer | None:
        """What to answer at the deadline where the execution client has not answered; None: wait for it.

        Only where an undecided block gets what the execution client says is that waited for.
        """
        if not self.gates or self.policy.answer is HoldAnswer.PASS:
            return None
        reason = "the execution client has not answered yet"
        syncing = self.policy.answer is HoldAnswer.SYNCING
        status = PayloadStatus(ExecutorStatus.SYNCING) if syncing else None
        return self._told(asked, EngineAnswer(status, reason, gated=True), asked.arrival)

    def refused(self, asked: Asked, reason: str) -> None:
        """The execution client gave no status at all, and its error is passed on. reason: one line."""
        now = asyncio.get_running_loop().time()
        self._told(asked, EngineAnswer(None, reason), now)

    def sticky(self, asked: Asked, report: StandingReport, below: bytes) -> EngineAnswer:
        """The INVALID of a block that stands so, or whose parent `below` does, without asking anybody."""
        status = PayloadStatus(ExecutorStatus.INVALID, self.latest_valid_ancestor(below), report.why)
        return self._told(asked, EngineAnswer(status, report.why, gated=True), asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Watches no more."""
        for each in self._watches:
            each.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)

    async def _wait(self, asked: Asked) -> None:
        remaining = asked.deadline - asyncio.get_running_loop().time()
        if remaining <= 0 or asked.block_hash is None:
            return
        try:
            async with asyncio.timeout(remaining):  # the chain's own limit is not trusted with the caller's patience
                await self._chain.wait(asked.block_hash, remaining)
        except TimeoutError:
            pass
        except Exception as error:
            self._failed(asked.block_hash, error)

    def _now(self, block_hash: bytes, executor: PayloadStatus) -> EngineAnswer:
        return self._answer(executor, self.standing(block_hash), block_hash)

    def _answer(self, executor: PayloadStatus, report: StandingReport, block_hash: bytes | None) -> EngineAnswer:
        invalid = report.standing is Standing.INVALID or executor.status is ExecutorStatus.INVALID
        latest = self.latest_valid_ancestor(block_hash) if invalid and block_hash is not None else None
        return engine_answer(self.policy.mode, self.policy.answer, executor, report, latest)

    def _watch(self, asked: Asked, executor: PayloadStatus) -> None:
        """Monitor: says afterwards what would have been answered."""

        async def watch() -> None:
            await self._wait(asked)
            assert asked.block_hash is not None
            now = asyncio.get_running_loop().time()  # nothing was held
            self._told(asked, self._now(asked.block_hash, executor), now)

        task = asyncio.create_task(watch())
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    def _told(self, asked: Asked, answer: EngineAnswer, since: float) -> EngineAnswer:
        waited = asyncio.get_running_loop().time() - since
        word = answer.payload.status.value if answer.payload else "error"
        self._observer.notify(
            GateAnswered("engine", asked.method, word, answer.gated, waited, answer.reason, asked.block_hash)
        )
        return answer

    def _failed(self, block_hash: bytes, error: Exception) -> StandingReport:
        text = f"{type(error).__name__}: {error}"
        self._observer.notify(Alarm("gate_failed", text))
        return StandingReport(Standing.UNDECIDED, block_hash, text)
