"""The sides' traces compared, one adapter a side: another of its side takes the place of one that abstains."""

from collections.abc import Sequence
from contextlib import aclosing

from verifier.domain.result import Abstention
from verifier.domain.sides import GroupedResults, agree
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.tracer import Tracer
from witness.model import BlockWitness

from .tracing import CONTEXT, BlockTrace, TraceOptions, compare_requested


class TraceSearch:
    """The traces of one block. groups: the sides. notes: takes what could not be looked at."""

    def __init__(
        self,
        tracers: Sequence[Tracer],
        groups: Sequence[GroupedResults],
        request: ExecutionRequest,
        content: BlockWitness,
        notes: list[str],
    ) -> None:
        named = {each.name: each for each in tracers}
        self._groups = groups
        self._candidates = [[named[name] for name in group.quickest if name in named] for group in groups]
        self._request = request
        self._content = content
        self._notes = notes

    async def compare(self, first: int, count: int) -> BlockTrace | None:
        """Transactions from `first` on, count 0 for all. None: there are no two sides with traces."""
        options = TraceOptions(first, count, CONTEXT)
        while True:
            chosen = [tracers[0] for tracers in self._candidates if tracers]
            if len(chosen) < 2:
                self._tell_untraced()
                return None
            report = await self._compare(chosen, options)
            for name, abstention in report.apart.items():
                self._tell(f"{name} gives no trace to compare: {abstention_text(abstention)}")
            if report.divergence is not None or not report.apart:
                self._tell_changed(report)
                return report
            self._candidates = [[each for each in one if each.name not in report.apart] for one in self._candidates]

    async def _compare(self, chosen: Sequence[Tracer], options: TraceOptions) -> BlockTrace:
        async with aclosing(compare_requested(chosen, self._request, self._content, options)) as traces:
            async for each in traces:
                if isinstance(each, BlockTrace):
                    return each
        raise AssertionError("a comparison ends with its block")

    def _tell(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)

    def _tell_untraced(self) -> None:
        for group, tracers in zip(self._groups, self._candidates, strict=True):
            if not tracers:
                self._tell(f"nobody traces what {', '.join(group.side.adapters)} did")

    def _tell_changed(self, report: BlockTrace) -> None:
        """A client that lies, or whose answers change, is not found by its trace."""
        for result in report.results:
            group = next((each for each in self._groups if result.adapter in each.side.adapters), None)
            if (
                group is not None
                and not isinstance(result.outcome, Abstention)
                and not agree(result.outcome, group.outcome)
            ):
                self._tell(f"{result.adapter} comes to another result when it is traced than it voted on")


def abstention_text(abstention: Abstention) -> str:
    """Reason and detail in one line."""
    return f"{abstention.reason}: {abstention.detail}" if abstention.detail else str(abstention.reason)
