"""Counts a run's tests as they come, in bounded memory: what every report needs and no single test's page does."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from verifier.domain.conformance import CaseName, Difference, Expected

from ..reasons import unknown_words
from .facts import RunFacts
from .histograms import Distribution, Plane
from .kept import Kept
from .outcome import Column, State, TestOutcome

# Differences that are listed one by one; a client that is wrong everywhere has tens of thousands, and all are counted
# and in the journal. About 1 kB each, twice while they come.
MOST_LISTED = 2000
MOST_REASONS = 100  # distinct reasons for skipping, a client; the rest are counted under OTHER_REASONS
OTHER_REASONS = "other reasons"
MOST_WORDS = 100  # distinct words that no table has; the rest are counted under OTHER_WORDS
OTHER_WORDS = "other words"


class Tally:
    """columns: the clients of the run, then whoever else answered. Everything else is filled by `add`."""

    def __init__(self, facts: RunFacts) -> None:
        self.columns = [Column(each.client, each.stateful) for each in facts.participants]
        self.lineages = {Column(each.client, each.stateful): each.lineage for each in facts.participants}
        self.versions = {Column(each.client, each.stateful): each.version for each in facts.participants}
        self.tests = self.blocks = self.gas = 0
        self.seconds = 0.0
        self.states: Counter[State] = Counter()  # a test's: the worst of its clients
        self.folders: dict[str, dict[Column, Counter[State]]] = {}
        self.folder_tests: Counter[str] = Counter()
        self.not_run: Counter[str] = Counter()  # folder → tests that are unexplained and of no client
        self.kinds: Counter[tuple[str, str]] = Counter()  # (client, kind) → unexplained differences
        self.networks: Counter[str] = Counter()
        self.skipped: dict[Column, Counter[str]] = {}
        self.answers: Counter[Column] = Counter()
        self.times: dict[Column, Distribution] = {}
        self.gas_times: dict[Column, Plane] = {}
        self.witnesses = Distribution(steps=8)
        self.unexplained: Kept[Difference] = Kept(MOST_LISTED, difference_order)
        self.known: Counter[tuple[str, str]] = Counter()  # (client, why) → differences
        self.unknown_words: Counter[str] = Counter()  # of fixtures, for why blocks are invalid → such blocks
        self.gone: Kept[str] = Kept(MOST_LISTED, str)  # known differences that did not show up; whoever knows adds them

    def add(self, test: TestOutcome) -> None:
        """Counts one test."""
        case = test.case
        self.tests += 1
        self.seconds += case.seconds
        self.networks[case.name.network] += 1
        self.states[test.state] += 1
        folder = folder_of(case.name)
        self.folder_tests[folder] += 1
        self.not_run[folder] += test.state is State.NOT_RUN
        by_column = self.folders.setdefault(folder, {})
        for column, outcome in test.outcomes.items():
            if column not in self.columns:
                self.columns.append(column)
            by_column.setdefault(column, Counter())[outcome.state] += 1
            if outcome.state is State.SKIPPED:
                self._skip(column, outcome.reason)
        for each in test.differences:
            if each.known:
                self.known[each.client, each.known] += 1
            else:
                self.unexplained.add(each)
                self.kinds[str(Column(each.client, each.stateful)), str(each.kind)] += 1
        self._blocks(test)

    def _blocks(self, test: TestOutcome) -> None:
        for block in test.case.blocks:
            self.blocks += 1
            self.gas += block.gas_used
            self.witnesses.add(block.witness_bytes)
            if block.expected is Expected.INVALID and block.exception:
                for word in unknown_words(block.exception):
                    self._count_unknown(word)
            for answer in block.answers:
                column = Column(answer.client, answer.stateful)
                if not self.lineages.get(column):
                    self.lineages[column] = answer.lineage
                self.answers[column] += 1
                self.times.setdefault(column, Distribution()).add(answer.ms)
                self.gas_times.setdefault(column, Plane()).add(block.gas_used, answer.ms)

    def _skip(self, column: Column, reason: str) -> None:
        reasons = self.skipped.setdefault(column, Counter())
        reasons[reason if reason in reasons or len(reasons) < MOST_REASONS else OTHER_REASONS] += 1

    def _count_unknown(self, word: str) -> None:
        words = self.unknown_words
        words[word if word in words or len(words) < MOST_WORDS else OTHER_WORDS] += 1

    def count(self, column: Column, state: State, folders: Iterable[str] | None = None) -> int:
        """How many tests had this outcome with this client, in these folders or in all."""
        chosen = self.folders.values() if folders is None else (self.folders[each] for each in folders)
        return sum(each[column][state] for each in chosen if column in each)

    @property
    def known_differences(self) -> int:
        """Differences that are explained by the file of known differences."""
        return sum(self.known.values())

    @property
    def passed(self) -> bool:
        """Whether tests ran, nothing is unexplained, and every known difference is still there."""
        return self.tests > 0 and not self.unexplained.count and not self.gone.count


def folder_of(name: CaseName) -> str:
    """The folder of a test's file, "." for the suite's root."""
    return str(PurePosixPath(name.path).parent)


def difference_order(each: Difference) -> tuple[str, str, str, int, str, bool]:
    """Test by test, block by block, client by client."""
    name = each.name
    return name.path, name.test, name.network, each.index, each.client, each.stateful
