"""The sides' post-states: one adapter a side executes the block on bare values, where no trace shows a difference."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.domain.result import Abstention, Computed, Mode, Outcome
from verifier.domain.sides import GroupedResults, agree
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


@dataclass(frozen=True)
class PostStates:
    """What the sides leave. states: one a side, None where nobody of it tells any.

    read: the sides whose values were read where others tell or know some: what they changed besides is not among them.
    changes: what one that tells it changed.
    """

    states: Sequence[PostState | None]
    read: frozenset[int] = frozenset()
    changes: PostState | None = None


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
    ) -> PostStates:
        """As far as it is told."""
        told = [each.outcome.post_state if isinstance(each.outcome, Computed) else None for each in groups]
        if sum(state is not None for state in told) > 1:
            return _told(told)
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
                return _told(told)

    async def _read(
        self, groups: Sequence[GroupedResults], states: list[PostState | None], request: ExecutionRequest
    ) -> PostStates:
        """With the values of those who have the state: everything that is known before the block or changed by it."""
        told = [state for state in states if state is not None]
        reading = {at: self._reader(group) for at, group in enumerate(groups) if states[at] is None}
        if not told or not any(reading.values()):
            return _told(states)
        section = map_witness_file(request.witness).prestate
        prestate = {} if section is None else decode_prestate(section)
        keys = keys_of(prestate, told)
        made = [None if state is None else whole(state, prestate, keys) for state in states]
        for at, reader in reading.items():
            if reader is not None:
                made[at] = await reader.read(request.block_hash, keys)
        read = frozenset(at for at, reader in reading.items() if reader is not None)
        return PostStates(made, read, told[0])

    def _reader(self, group: GroupedResults) -> StateReader | None:
        return next((each for each in self._readers if each.name in group.side.adapters), None)

    async def _post_state(self, group: GroupedResults, request: ExecutionRequest) -> PostState | None:
        for name in group.quickest:
            if name not in self._executors or any(reader.name == name for reader in self._readers):
                continue
            outcome = (await self._executors[name].execute(request)).outcome
            if isinstance(outcome, Abstention):
                why = abstention_text(outcome)
            elif not agree(_on_values(outcome), _on_values(group.outcome)):
                # What it leaves then is not what its side left.
                why = "on bare values it comes to another result than it voted on"
            elif isinstance(outcome, Computed) and outcome.post_state is not None:
                return outcome.post_state
            else:
                why = "it tells none"
            self._notes.append(f"{name} gives no post-state to compare: {why}")
        return None


def _on_values(outcome: Outcome) -> Outcome:
    """What of it is told in either mode: receipts of before Byzantium have a state root in them (EIP-658)."""
    if not isinstance(outcome, Computed) or not any(each.post_state for each in outcome.receipts):
        return outcome
    receipts = tuple(replace(each, post_state=None) for each in outcome.receipts)
    return replace(outcome, receipts=receipts, receipts_root=None)


def _told(states: Sequence[PostState | None]) -> PostStates:
    return PostStates(states, changes=next((state for state in states if state is not None), None))
