"""Where a disagreement begins, looked for with one adapter of each side: receipts, then traces, then post-states."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from verifier.domain.block import BlockReference
from verifier.domain.divergence import Divergence
from verifier.domain.localization import FieldDifference, Localization, Place, StateDifference
from verifier.domain.localization_text import describe
from verifier.domain.parting import instruction_of, may_be_inherited, place_of, transaction_of
from verifier.domain.result import Abstention, BrokenRule, Computed, Receipt, Result
from verifier.domain.sides import (
    GroupedResults,
    field_differences,
    first_differing_transaction,
    group_sides,
    state_differences,
)
from verifier.domain.vote import Vote, VoteKind
from verifier.executors.stateful.state_reader import StateReader
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from verifier.executors.stateless.tracer import Tracer
from witness.errors import WitnessError
from witness.file import check_binding
from witness.header import keccak256
from witness.model import BlockWitness, Header, PostState
from witness.rlp_item import list_items
from witness.trie import nodes_by_hash

from .ballot import acceptance, refusal
from .root_search import RootSearch, explained
from .section_process import derive_file
from .state_search import Derive, StateSearch
from .trace_search import TraceSearch, abstention_text
from .tracing import BlockTrace

# Seconds for one localisation. The verdict does not wait for it, an operator does; a full block of a million steps
# takes the slowest adapters, in Python, one or two minutes.
DEADLINE = 180.0


@dataclass
class _Found:
    """What is known so far. It stays where the deadline ends the search."""

    transaction: int | None = None
    place: Place | None = None
    divergence: Divergence | None = None
    state: tuple[StateDifference, ...] = ()
    states_equal: bool = False
    notes: list[str] = field(default_factory=list)

    def take(self, report: BlockTrace | None) -> None:
        """Where traces part, unless only what came of the block differs."""
        divergence = None if report is None else report.divergence
        place = None if divergence is None else place_of(divergence)
        if divergence is not None and place is not None:
            self.divergence, self.place, self.transaction = divergence, place, transaction_of(divergence)


@dataclass(frozen=True)
class _Case:
    """One disagreement, as it is looked into."""

    request: ExecutionRequest
    content: BlockWitness
    groups: tuple[GroupedResults, ...]
    fields: tuple[FieldDifference, ...]

    @property
    def rule(self) -> bool:
        """Whether a side has found a rule broken."""
        return any(isinstance(group.outcome, BrokenRule) for group in self.groups)

    @property
    def executed_alike(self) -> bool:
        """Whether the transactions did the same for all sides, so that only what is around them can differ."""
        told = [group.outcome for group in self.groups]
        if not all(isinstance(each, Computed) and None not in (each.state_root, each.receipts_root) for each in told):
            return False
        return not {"state_root", "receipts_root"} & {each.field for each in self.fields}


class Localizer:
    """Finds where sides part. One block at a time: two that are compared at once could wait for each other.

    executors, tracers: that may be asked, by the names in the votes; an execution client may be among both, and among
    readers, who have the state after the block. derive: writes a witness file with its values before the block.
    deadline: seconds. clock: seconds, monotonic.
    """

    def __init__(
        self,
        executors: Sequence[StatelessExecutor],
        tracers: Sequence[Tracer],
        *,
        readers: Sequence[StateReader] = (),
        derive: Derive = derive_file,
        deadline: float = DEADLINE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._executors = tuple(executors)
        self._tracers = tuple(tracers)
        self._readers = tuple(readers)
        self._derive = derive
        self._deadline = deadline
        self._clock = clock
        self._alone = asyncio.Lock()

    async def localize(
        self, request: ExecutionRequest, content: BlockWitness, results: Sequence[Result], votes: Sequence[Vote]
    ) -> Localization:
        """Where the sides part, as near as can be found in time; why not nearer is in its notes.

        request, content: of the block, in the mode in which it was judged. results: what the votes were read from; a
        vote without one is the execution client's. Raises WitnessError for a file that is not bound to its header.
        """
        header = check_binding(content)
        groups = group_sides([*results, *_implied(header, results, votes)], votes)
        fields = field_differences([group.outcome for group in groups])
        case = _Case(replace(request, deadline=self._deadline), content, groups, fields)
        found = _Found()
        async with self._alone:
            started = self._clock()
            try:
                async with asyncio.timeout(self._deadline):
                    await self._search(case, found)
            except TimeoutError:
                found.notes.append(f"given up after {self._deadline:.0f} s")
            seconds = self._clock() - started
        return _localization(case, found, seconds)

    async def _search(self, case: _Case, found: _Found) -> None:
        if len(case.groups) < 2:
            found.notes.append("there are no two sides")
            return
        receipts = [await self._receipts(case, group, found.notes) for group in case.groups]
        found.transaction = first_differing_transaction(receipts)
        if not case.executed_alike:
            await self._compare_traces(case, found)
        if found.divergence is None and not case.rule and not case.executed_alike:
            search = StateSearch(self._executors, self._readers, self._derive, found.notes)
            told = await search.post_states(case.groups, case.request, case.content)
            found.state = state_differences(told.states)
            if not found.state and None not in told.states and told.changes is not None:
                await self._look_beneath(case, found, told.changes, told.read)

    async def _look_beneath(self, case: _Case, found: _Found, changes: PostState, read: frozenset[int]) -> None:
        """Whether the values that are equal are all that there are, and whose root is not the one over them.

        read: the sides that may have changed what nobody else knows of; so their root must be the one over the values.
        """
        roots = [each.outcome.state_root if isinstance(each.outcome, Computed) else None for each in case.groups]
        if not any(roots):
            return  # on bare values nobody computes one
        search = partial(_search_root, case.request.pre_state_root, case.content, changes, roots)
        try:
            root, found.state = await asyncio.to_thread(search)
        except WitnessError as error:
            found.notes.append(f"which root is the one over these values cannot be told: {error}")
            found.states_equal = not read
            return
        names = [", ".join(group.side.adapters) for group in case.groups]
        right = [at for at, told in enumerate(roots) if told == root]
        whose = f"that of {', '.join(names[at] for at in right)}" if right else "nobody's"
        found.notes.append(f"the state root over these values is 0x{root.hex()}: {whose}")
        found.states_equal = bool(right) and read <= set(right)
        if read - set(right):
            found.notes.append(f"{', '.join(names[at] for at in read)} may have changed values that nobody else did")

    async def _receipts(self, case: _Case, group: GroupedResults, notes: list[str]) -> Sequence[Receipt]:
        """A side's receipts. An execution client that has voted by accepting the block is asked for them."""
        if not isinstance(group.outcome, Computed):
            return ()
        if group.outcome.receipts or not _transactions(case.content):
            return group.outcome.receipts
        for executor in self._executors:
            if executor.name in group.side.adapters:
                outcome = (await executor.execute(case.request)).outcome
                if isinstance(outcome, Computed) and outcome.receipts:
                    return outcome.receipts
                if isinstance(outcome, Abstention):
                    notes.append(f"{executor.name} tells no receipts: {abstention_text(outcome)}")
        return ()

    async def _compare_traces(self, case: _Case, found: _Found) -> None:
        """The first transaction whose receipts differ; where that tells nothing, or not all, others too."""
        search = TraceSearch(self._tracers, case.groups, case.request, case.content, found.notes)
        index = found.transaction
        if index is not None and not case.rule:
            report = await search.compare(index, 1)
            found.take(report)
            if report is None:
                return
            if found.divergence is not None:
                if index and may_be_inherited(found.divergence):
                    # An earlier transaction may have left another state, though its own receipt is equal.
                    found.take(await search.compare(0, index))
                return
        report = await search.compare(0, 0)
        found.take(report)
        if report is not None and found.divergence is None:
            found.notes.append(f"no instruction differs: {report.transactions} transactions, {report.steps} steps")


def _search_root(
    root: bytes, content: BlockWitness, changes: PostState, roots: Sequence[bytes | None]
) -> tuple[bytes, tuple[StateDifference, ...]]:
    """The root over the values after the block, and what a side's root that is another one stands for."""
    search = RootSearch(root, nodes_by_hash(content.witness.state), changes)
    return search.root, explained(search, roots)


def _implied(header: Header, results: Sequence[Result], votes: Sequence[Vote]) -> list[Result]:
    """What the execution client says by its vote, which has no result of an adapter."""
    answered = {result.adapter for result in results}
    implied = []
    for vote in votes:
        if vote.adapter not in answered and vote.kind is not VoteKind.ABSTAIN:
            accepted = vote.kind is VoteKind.VALID
            said = acceptance(header, vote.adapter, vote.lineage)
            implied.append(said if accepted else refusal(vote.reason or "", vote.adapter, vote.lineage))
    return implied


def _localization(case: _Case, found: _Found, seconds: float) -> Localization:
    place = _place(case, found)
    instruction = None if found.divergence is None else instruction_of(found.divergence)
    hashes = _transactions(case.content)
    known = found.transaction is not None and found.transaction < len(hashes)
    transaction_hash = hashes[found.transaction] if found.transaction is not None and known else b""
    sides = tuple(group.side for group in case.groups)
    return Localization(
        block=BlockReference(case.content.chain_id, case.content.number, case.content.hash),
        place=place,
        sides=sides,
        fields=case.fields,
        text=describe(
            place, sides, case.fields, found.transaction, transaction_hash, found.divergence, instruction, found.state
        ),
        transaction=found.transaction,
        transaction_hash=transaction_hash,
        divergence=found.divergence,
        instruction=instruction,
        state=found.state,
        seconds=seconds,
        notes=tuple(found.notes),
    )


def _place(case: _Case, found: _Found) -> Place:
    if found.place is not None:
        return found.place
    if case.rule:
        return Place.RULE
    if found.transaction is not None:
        return Place.TRANSACTION
    if found.state:
        return Place.POST_STATE
    only_the_root = [each.field for each in case.fields] == ["state_root"]
    return Place.TRIE if only_the_root and found.states_equal else Place.FIELD


def _transactions(content: BlockWitness) -> list[bytes]:
    """The hashes of the block's transactions (EIP-2718: a typed one is a string of its own bytes)."""
    block = bytes(content.block)
    _, at, _, stop = list_items(block)[1]
    body = block[at:stop]
    return [keccak256(body[first if nested else start : end]) for nested, first, start, end in list_items(body)]
