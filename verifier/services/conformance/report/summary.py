"""The machine-readable summary of a run: the object with which `verifier conformance --json` ends."""

from typing import Any

from verifier.domain.conformance import Difference

from .commands import Commands
from .facts import RunFacts
from .line import line
from .outcome import Column, State
from .tally import Tally


def summary_document(tally: Tally, facts: RunFacts, commands: Commands) -> dict[str, Any]:
    """`{"summary": {…}}`. Times in ms where named so, else in seconds; tests are counted by their worst outcome."""
    return {
        "summary": {
            "passed": tally.passed,
            "tests": tally.tests,
            "blocks": tally.blocks,
            "gas": tally.gas,
            "outcomes": {str(state): tally.states[state] for state in State},
            "networks": {line(network): count for network, count in sorted(tally.networks.items())},
            "clients": [_client(column, tally) for column in tally.columns],
            "folders": [
                {"folder": line(folder), "tests": tally.folder_tests[folder], "clients": _cells(folder, tally)}
                for folder in sorted(tally.folders)
            ],
            "unexplained": {
                "count": tally.unexplained.count,
                "listed": [difference_document(each, commands) for each in tally.unexplained],
            },
            "known": [
                {"client": client, "why": line(why), "count": count}
                for (client, why), count in sorted(tally.known.items())
            ],
            "unknown_words": {line(word): count for word, count in sorted(tally.unknown_words.items())},
            "known_gone": {"count": tally.gone.count, "listed": [line(each) for each in tally.gone]},
            "run": {
                "suites": [line(each) for each in facts.suites],
                "mode": facts.mode,
                "selection": line(facts.selection),
                "started": facts.started.isoformat(),
                "ended": facts.ended.isoformat(),
                "seconds": round(facts.seconds, 3),
                "tests_per_second": _rate(newly_run(tally, facts), facts.seconds),
                "resumed": facts.resumed,
                "workers": facts.workers,
                "machine": line(facts.machine),
                "verifier": line(facts.version),
            },
        }
    }


def difference_document(each: Difference, commands: Commands) -> dict[str, Any]:
    """One difference, with the commands that show it."""
    return {
        "path": line(each.name.path),
        "test": line(each.name.test),
        "network": line(each.name.network),
        "block": each.index,
        "client": line(each.client),
        "stateful": each.stateful,
        "kind": str(each.kind),
        "text": line(each.text),
        "known": line(each.known),
        "reproduce": commands.reproduce(each),
        "trace": commands.trace(each.name) if each.index >= 0 else "",
    }


def newly_run(tally: Tally, facts: RunFacts) -> int:
    """How many tests were run between start and end: those taken over from before were not."""
    return max(0, tally.tests - facts.resumed)


def client_rate(column: Column, tally: Tally) -> float:
    """Tests a second of the client's own time, 0.0 where it told none."""
    answered = sum(tally.count(column, state) for state in State if state not in (State.SKIPPED, State.NOT_RUN))
    times = tally.times.get(column)
    return _rate(answered, times.total / 1000 if times else 0.0)


def _client(column: Column, tally: Tally) -> dict[str, Any]:
    times = tally.times.get(column)
    return {
        "client": line(column.client),
        "stateful": column.stateful,
        "lineage": line(tally.lineages.get(column, "")),
        "version": line(tally.versions.get(column, "")),
        "outcomes": {str(state): tally.count(column, state) for state in State},
        "skipped": {line(reason): count for reason, count in sorted(tally.skipped.get(column, {}).items())},
        "blocks": tally.answers[column],
        "ms": {
            "total": round(times.total, 3),
            "median": round(times.quantile(0.5), 3),
            "p95": round(times.quantile(0.95), 3),
            "most": round(times.most, 3),
        }
        if times and times.count
        else None,
        "tests_per_second": client_rate(column, tally),
    }


def _cells(folder: str, tally: Tally) -> list[dict[str, Any]]:
    by_column = tally.folders[folder]
    return [
        {
            "client": line(column.client),
            "stateful": column.stateful,
            "outcomes": {str(state): count for state in State if (count := by_column[column][state])},
        }
        for column in tally.columns
        if column in by_column
    ]


def _rate(count: int, seconds: float) -> float:
    return round(count / seconds, 3) if seconds > 0 else 0.0
