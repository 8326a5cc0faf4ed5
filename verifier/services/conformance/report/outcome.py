"""How each client did in one test, out of its answers to all of the test's blocks."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from verifier.domain.conformance import Difference, DifferenceKind, ExaminedCase, differences

NOT_ASKED = "nothing to ask: no block of it has a witness"
Explain = Callable[[Difference], Difference]


class Column(NamedTuple):
    """One client, in one of the two ways in which it may be asked."""

    client: str
    stateful: bool = False

    def __str__(self) -> str:
        return f"{self.client} (stateful)" if self.stateful else self.client


class State(StrEnum):
    """The worst that a client's answers in a test are, from DIFFERS down. SKIPPED: it was not asked."""

    DIFFERS = "differs"
    CANNOT_TELL = "cannot tell"
    NOT_RUN = "not run"
    KNOWN = "known difference"
    AGREED = "agreed"
    SKIPPED = "skipped"

    @property
    def unexplained(self) -> bool:
        """Whether somebody has to look at it."""
        return self in (State.DIFFERS, State.CANNOT_TELL, State.NOT_RUN)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One client in one test. reason: of SKIPPED and NOT_RUN. ms: its own time, over all blocks."""

    state: State
    differences: tuple[Difference, ...] = ()
    reason: str = ""
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """One test. differences: of all clients, with what is known of them."""

    __test__ = False  # no test of pytest's

    case: ExaminedCase
    outcomes: Mapping[Column, Outcome]
    differences: tuple[Difference, ...]

    @property
    def state(self) -> State:
        """The worst of the clients that were asked; SKIPPED where none was."""
        nobody = State.NOT_RUN if self.case.failure else State.SKIPPED
        return min((each.state for each in self.outcomes.values()), key=list(State).index, default=nobody)


def judge(case: ExaminedCase, columns: Iterable[Column], explain: Explain) -> TestOutcome:
    """The outcome for each of `columns`, and for whoever else answered."""
    found = tuple(map(explain, differences(case)))
    ms: dict[Column, float] = {}
    for block in case.blocks:
        for answer in block.answers:
            column = Column(answer.client, answer.stateful)
            ms[column] = ms.get(column, 0.0) + (answer.ms if math.isfinite(answer.ms) else 0.0)
    by_column: dict[Column, list[Difference]] = {}
    for each in found:
        by_column.setdefault(Column(each.client, each.stateful), []).append(each)
    outcomes = {}
    for column in dict.fromkeys((*columns, *ms)):
        if case.failure:
            known = found[0].known
            outcomes[column] = Outcome(
                State.KNOWN if known else State.NOT_RUN, found, case.failure, ms.get(column, 0.0)
            )
        elif column not in ms:
            outcomes[column] = Outcome(State.SKIPPED, (), case.skipped.get(column.client, NOT_ASKED))
        else:
            own = tuple(by_column.get(column, ()))
            outcomes[column] = Outcome(_state(own), own, "", ms[column])
    return TestOutcome(case, outcomes, found)


def _state(own: tuple[Difference, ...]) -> State:
    if not own:
        return State.AGREED
    new = [each for each in own if not each.known]
    if not new:
        return State.KNOWN
    if all(each.kind is DifferenceKind.CANNOT_TELL for each in new):
        return State.CANNOT_TELL
    return State.DIFFERS
