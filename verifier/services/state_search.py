"""The sides' post-states: one adapter a side executes the block on bare values, where no trace shows a difference."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from verifier.domain.result import Abstention, Computed, Mode
from verifier.domain.sides import GroupedResults
from verifier.domain.whole_state import keys_of, whole
from verifier.errors import VerifierError
from verifier.executors.stateful.state_reader import StateReader
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from witness.errors import WitnessError
from witness.file import map_witness_file
from witness.model import BlockWitness, PostState
from witness.prestate import decode_prestate

from .sources import scratch_directory
from .trace_search import abstention_text

Derive = Callable[[Path, Path], Awaitable[Path]]


class StateSearch:
    """What each side leaves changed. derive: writes a witness file with its values into a directory, gives its path.

    readers: who has the state after the block, in place of a side's adapters where those tell none.
    """

    def __init__(
        self,
        executors: Sequence[StatelessExecutor],
        readers: Sequence[StateReader],
        derive: Derive,
        notes: list[str],
    ) -> None:
        self._executors = {each.name: each for each in executors}
        self._readers = readers
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
            try:
                witness = request.witness
                if content.prestate is None:
                    witness = await self._derive(request.witness, scratch)
                on_values = replace(request, witness=witness, mode=Mode.PRESTATE)
                states = [await self._post_state(group, on_values) for group in groups]
                return await self._read(groups, states, on_values)
            except (VerifierError, WitnessError, OSError) as error:
                self._notes.append(f"post-states are not compared: {error}")
                return told

    async def _read(
        self, groups: Sequence[GroupedResults], states: list[PostState | None], request: ExecutionRequest
    ) -> list[PostState | None]:
        """With the values of those who have the state: everything that is known before the block or changed by it."""
        told = [state for state in states if state is not None]
        reading = {at: self._reader(group) for at, group in enumerate(groups) if states[at] is None}
        if not told or not any(reading.values()):
            return states
        section = map_witness_file(request.witness).prestate
        prestate = {} if section is None else decode_prestate(section)
        keys = keys_of(prestate, told)
        made = [None if state is None else whole(state, prestate, keys) for state in states]
        for at, reader in reading.items():
            if reader is not None:
                made[at] = await reader.read(request.block_hash, keys)
        return made

    def _reader(self, group: GroupedResults) -> StateReader | None:
        return next((each for each in self._readers if each.name in group.side.adapters), None)

    async def _post_state(self, group: GroupedResults, request: ExecutionRequest) -> PostState | None:
        for name in group.quickest:
            if name not in self._executors or any(reader.name == name for reader in self._readers):
                continue
            outcome = (await self._executors[name].execute(request)).outcome
            if isinstance(outcome, Computed) and outcome.post_state is not None:
                return outcome.post_state
            why = abstention_text(outcome) if isinstance(outcome, Abstention) else "it tells none"
            self._notes.append(f"{name} gives no post-state to compare: {why}")
        return None
