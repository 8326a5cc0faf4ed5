"""A test as one short line of JSON, which the page's script reads: page/page.js has the other half.

`[path, test, network, states, ms, blocks, details?]`. Texts that many tests share (paths, networks, reasons) are
numbers: where they stand in `Words`. states: a letter a column. blocks: `[expected, gas, witness bytes, exception,
ms…]`, with a time for each column up to the last that answered. details, only of tests on which somebody does not
agree: what everybody said, block by block.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from verifier.domain.conformance import Answer, Difference, ExaminedBlock, Expected, Said

from .commands import Commands
from .line import line
from .outcome import Column, State, TestOutcome

LETTERS = {
    State.AGREED: "a",
    State.DIFFERS: "d",
    State.CANNOT_TELL: "c",
    State.NOT_RUN: "n",
    State.KNOWN: "k",
    State.SKIPPED: "s",
}
EXPECTED = {Expected.VALID: 0, Expected.INVALID: 1, Expected.REFUSED: 2}
SAID = {Said.VALID: 0, Said.INVALID: 1, Said.ABSTAIN: 2}
MOST_BLOCKS = 300  # listed of one test; the longest chain in ethereum/tests has 259
MOST_DETAILED = 40  # blocks of one test whose answers are told


class Words:
    """Texts, each once; the page looks them up by number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Where the text stands in the list."""
        text = line(text)
        return self._numbers.setdefault(text, len(self._numbers))

    def __iter__(self) -> Any:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def row(test: TestOutcome, columns: Sequence[Column], words: Words, commands: Commands) -> list[Any]:
    """One test. columns: in the order in which their letters and times stand."""
    case, name = test.case, test.case.name
    made: list[Any] = [
        words.number(name.path),
        line(name.test),
        words.number(name.network),
        "".join(LETTERS[test.outcomes[column].state] if column in test.outcomes else "-" for column in columns),
        round(case.seconds * 1000),
        [_block(block, columns, words) for block in case.blocks[:MOST_BLOCKS]],
    ]
    details = _details(test, columns, words, commands)
    if details:
        made.append(details)
    return made


def _block(block: ExaminedBlock, columns: Sequence[Column], words: Words) -> list[Any]:
    times = {Column(answer.client, answer.stateful): brief(answer.ms) for answer in block.answers}
    own = [times.get(column) for column in columns]
    while own and own[-1] is None:
        own.pop()
    exception = words.number(block.exception) if block.exception else -1
    return [EXPECTED[block.expected], block.gas_used, block.witness_bytes, exception, *own]


def _details(test: TestOutcome, columns: Sequence[Column], words: Words, commands: Commands) -> dict[str, Any]:
    """kind, failure, number of further blocks, skipped by column, blocks, and commands; only what there is."""
    case = test.case
    made: dict[str, Any] = {}
    if len(case.blocks) > MOST_BLOCKS:
        made["more"] = len(case.blocks) - MOST_BLOCKS
    skipped = [
        [columns.index(column), words.number(outcome.reason)]
        for column, outcome in test.outcomes.items()
        if outcome.state is State.SKIPPED
    ]
    if skipped:
        made["skipped"] = skipped
    if not test.differences:
        return made
    made["kind"] = words.number(case.name.kind)
    if case.failure:
        made["failure"] = line(case.failure)
        if test.differences[0].known:
            made["known"] = words.number(test.differences[0].known)
    by_block: dict[int, list[Difference]] = {}
    for each in test.differences:
        by_block.setdefault(each.index, []).append(each)
    told = [(at, block) for at, block in enumerate(case.blocks) if block.index in by_block][:MOST_DETAILED]
    if told:
        made["blocks"] = {at: _told(block, by_block[block.index], columns, words) for at, block in told}
    if any(at != block.index for at, block in enumerate(case.blocks)):
        made["indexes"] = [block.index for block in case.blocks]
    shown = {(each.client, each.stateful): commands.reproduce(each) for each in reversed(test.differences)}
    made["commands"] = list(dict.fromkeys(shown[key] for key in sorted(shown)))
    if told and (trace := commands.trace(case.name)):
        made["commands"].append(trace)
    return made


def _told(block: ExaminedBlock, found: Sequence[Difference], columns: Sequence[Column], words: Words) -> dict[str, Any]:
    differing = {Column(each.client, each.stateful): each for each in found}
    return {
        "number": block.number,
        "hash": f"0x{block.hash.hex()}" if block.hash else "",
        "classes": sorted(block.classes),
        "answers": [_answer(answer, differing, columns, words) for answer in block.answers],
    }


def _answer(
    answer: Answer, differing: Mapping[Column, Difference], columns: Sequence[Column], words: Words
) -> list[Any]:
    """Column, said, reason, classes, fields, the difference's kind or -1, why it is known or -1."""
    column = Column(answer.client, answer.stateful)
    difference = differing.get(column)
    return [
        columns.index(column),
        SAID[answer.said],
        line(answer.reason),
        sorted(answer.classes),
        [line(each, 100) for each in answer.fields],
        words.number(str(difference.kind)) if difference else -1,
        words.number(difference.known) if difference and difference.known else -1,
    ]


def brief(ms: float) -> float | int | None:
    """Three significant digits: more are noise, and would be a third of the page. None for what is no number."""
    if not math.isfinite(ms):
        return None
    rounded = float(f"{ms:.3g}")
    return int(rounded) if rounded.is_integer() else rounded
