"""The embedded executor as one of those who vote: on its own state, not on anybody's witness."""

import asyncio
import time
from dataclasses import replace

from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Mode, Outcome, Result
from verifier.errors import ExecutorError
from verifier.executors.stateless.base import ExecutionRequest
from witness.errors import WitnessError
from witness.file import map_witness_file
from witness.prestate import decode_poststate

from .base import ImportOutcome
from .errors import UnsupportedForkError
from .follower import LINEAGE, NAME, Follower

RULE = "embedded_executor"  # it names no rule in the contract's words, only what went wrong
NOT_FOLLOWING = "it was not needed for this block's witness"


class EmbeddedVoter:
    """A StatelessExecutor by its form: it is asked like an adapter, and needs of the witness file the block alone.

    always: executes every block that it is asked about; else it only tells of those that were executed anyway.
    """

    name = NAME
    lineage = LINEAGE

    def __init__(self, follower: Follower, *, always: bool) -> None:
        self._follower = follower
        self._always = always
        self.expected_ms = 0.0

    async def execute(self, request: ExecutionRequest) -> Result:
        """As StatelessExecutor.execute."""
        started = time.monotonic()
        outcome = await self._outcome(request)
        elapsed_ms = (time.monotonic() - started) * 1000
        self.expected_ms = elapsed_ms
        return Result(self.name, self.lineage, outcome, elapsed_ms)

    async def _outcome(self, request: ExecutionRequest) -> Outcome:
        kept = self._follower.kept(request.block_hash)
        # What changed is only compared where no root is computed by the others, and is in the witness's own sections.
        prestate = request.mode is Mode.PRESTATE
        try:
            if kept is None or (prestate and kept.witness is None):
                if kept is None and not self._always:
                    return Abstention(AbstentionReason.UNAVAILABLE, NOT_FOLLOWING)
                async with asyncio.timeout(request.deadline):
                    content = await asyncio.to_thread(map_witness_file, request.witness)
                    kept = await self._follower.outcome(bytes(content.block), witness=prestate)
            if kept.block.hash != request.block_hash:
                return Abstention(AbstentionReason.REFUSED, f"the witness file is of block {kept.block}")
            return _said(kept, prestate=prestate)
        except TimeoutError:
            return Abstention(AbstentionReason.TIMEOUT, f"no outcome within {request.deadline:.1f} s")
        except UnsupportedForkError as error:
            return Abstention(AbstentionReason.UNSUPPORTED_FORK, str(error))
        except (ExecutorError, WitnessError, OSError) as error:
            return Abstention(AbstentionReason.UNAVAILABLE, str(error))


def _said(outcome: ImportOutcome, *, prestate: bool) -> Outcome:
    if outcome.invalid is not None:
        return BrokenRule(RULE, outcome.invalid)
    if outcome.results is None:
        return Abstention(AbstentionReason.UNAVAILABLE, "the block was not executed")
    if not prestate:
        return outcome.results
    section = None if outcome.witness is None else outcome.witness.poststate
    if section is None:
        return Abstention(AbstentionReason.UNAVAILABLE, "the block's post-state was not recorded")
    return replace(outcome.results, post_state=decode_poststate(section))
