"""The sides' post-states: one adapter a side executes the block on bare values, where no trace shows a difference."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from verifier.domain.result import Abstention, Computed, Mode
from verifier.domain.sides import GroupedResults
from verifier.errors import VerifierError
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from witness.errors import WitnessError
from witness.model import BlockWitness, PostState

from .sources import scratch_directory
from .trace_search import abstention_text

Derive = Callable[[Path, Path], Awaitable[Path]]


class StateSearch:
    """What each side leaves changed. derive: writes a witness file with its values into a directory, gives its path."""

    def __init__(self, executors: Sequence[StatelessExecutor], derive: Derive, notes: list[str]) -> None:
        self._executors = {each.name: each for each in executors}
        self._derive = derive
        self._notes = notes

    async def post_states(
        self, groups: Sequence[GroupedResults], request: ExecutionRequest, content: BlockWitness
    ) -> list[PostState | None]:
        """One a side, None where nobody of it tells any."""
        told = [each.outcome.post_state if isinstance(each.outcome, Computed) else None for each in groups]
        if sum(state is not None for state in told) > 1:
            return told
        with scratch_directory() as scratch:
            witness = request.witness
            if content.prestate is None:
                try:
                    witness = await self._derive(request.witness, scratch)
                except (VerifierError, WitnessError, OSError) as error:
                    self._notes.append(f"post-states are not compared: {error}")
                    return told
            on_values = replace(request, witness=witness, mode=Mode.PRESTATE)
            return [await self._post_state(group, on_values) for group in groups]

    async def _post_state(self, group: GroupedResults, request: ExecutionRequest) -> PostState | None:
        for name in group.quickest:
            if name not in self._executors:
                continue
            outcome = (await self._executors[name].execute(request)).outcome
            if isinstance(outcome, Computed) and outcome.post_state is not None:
                return outcome.post_state
            why = abstention_text(outcome) if isinstance(outcome, Abstention) else "it tells none"
            self._notes.append(f"{name} gives no post-state to compare: {why}")
        return None
