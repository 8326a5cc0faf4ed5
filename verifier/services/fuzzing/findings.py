"""What differed, each difference once with a count: a fixture, made smaller, with all answers and how it came about."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from verifier.domain.conformance import ExaminedCase
from verifier.services.conformance.journal import to_line, without_times

from .bytecode import disassemble
from .comparison import Divergence
from .construction import Built
from .draft import Draft
from .fixture import fixture
from .instructions import names
from .state import Entry, State

INDEX = "findings.json"
REPORT, ORIGINAL, SMALLER = "finding.json", "original.json", "fixture.json"


@dataclass(frozen=True, slots=True)
class Content:
    """A block as it is kept. fingerprint: what is left in it, in words; the same where the reason may be the same."""

    fixture: bytes
    answers: dict[str, Any]
    fingerprint: str
    size: int


@dataclass
class Finding:
    """One example of a difference. folder: its name below the state's. number: of the block that showed it first."""

    folder: str
    key: str
    number: int
    clients: tuple[str, ...]
    fork: str
    fingerprint: str
    minimised: bool = False
    flaky: bool = False
    trials: int = 0
    sizes: tuple[int, int] = (0, 0)


def content_of(draft: Draft, built: Built, examined: ExaminedCase) -> Content:
    """A block with its answers, to be kept."""
    answers = json.loads(to_line(without_times(examined)))
    info = {"generated": "verifier fuzz", "label": built.label, "refused": [each.reason for each in built.refused]}
    return Content(fixture(built.case, info), answers, fingerprint(draft), len(built.block) + _code_size(draft))


def fingerprint(draft: Draft) -> str:
    """The fork's instructions, types of transactions and pre-state that a draft has, without values."""
    mnemonics = names()
    codes = {each.code for account in draft.accounts.values() for each in disassemble(account.code)}
    words = sorted(mnemonics.get(code, f"{code:02X}") for code in codes if not 0x5F <= code <= 0x9F)
    kinds = sorted({f"type {transaction.kind}" for transaction in draft.transactions})
    fault = [draft.fault.name] if draft.fault is not None else []
    return " ".join([*fault, *kinds, *words])


def _code_size(draft: Draft) -> int:
    return sum(len(account.code) for account in draft.accounts.values())


class Findings:
    """All of a state's. Read again from its directory where a campaign goes on."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.counts: Counter[str] = Counter()
        self.known: Counter[str] = Counter()
        self._tried: Counter[str] = Counter()
        self.all: list[Finding] = list(self._read())

    def count(self, entry: Entry) -> None:
        """One more block with a difference."""
        (self.known if entry.known else self.counts)[entry.differs] += 1

    def examples(self, key: str) -> int:
        """Of how many blocks with a difference was seen whether they are the same."""
        return max(self._tried[key], sum(each.key == key for each in self.all))

    def unminimised(self) -> list[Finding]:
        """Those that nobody has tried to make smaller."""
        return [each for each in self.all if not each.minimised and not each.flaky]

    def keep(self, entry: Entry, divergence: Divergence, content: Content) -> Finding:
        """A new one, as it was found."""
        digest = sha256(f"{divergence.key}/{entry.number}".encode()).hexdigest()[:8]
        label = divergence.label or "block"
        name = "-".join([label, *divergence.clients, digest]).replace(" ", "-")[:120]
        finding = Finding(
            name, divergence.key, entry.number, divergence.clients, entry.fork, content.fingerprint,
            sizes=(content.size, content.size),
        )  # fmt: skip
        self._tried[divergence.key] += 1
        self._state.keep(name, ORIGINAL, content.fixture)
        self._write(finding, content.answers)
        self.all.append(finding)
        return finding

    def keep_smaller(self, finding: Finding, content: Content, trials: int) -> bool:
        """It, made smaller; or not at all, where as much is left of it as of another of the same difference."""
        for each in self.all:
            if each is not finding and each.minimised and _looks_like(each, finding.key, content.fingerprint):
                self.all.remove(finding)
                self._state.forget(finding.folder)
                return False
        finding.fingerprint, finding.minimised, finding.trials = content.fingerprint, True, trials
        finding.sizes = (finding.sizes[0], content.size)
        self._state.keep(finding.folder, SMALLER, content.fixture)
        self._write(finding, content.answers)
        return True

    def note_flaky(self, finding: Finding) -> None:
        """It was not there again: a client does not always say the same."""
        finding.flaky = True
        self._write(finding, None)

    def document(self) -> list[dict[str, Any]]:
        """Every difference with its count and its examples."""
        keys = [*self.counts, *self.known]
        return [
            {
                "difference": key,
                "blocks": self.counts[key] + self.known[key],
                "known": key in self.known,
                "examples": [_members(each) for each in self.all if each.key == key],
            }
            for key in sorted(dict.fromkeys(keys), key=lambda key: (-self.counts[key], key))
        ]

    def _write(self, finding: Finding, answers: dict[str, Any] | None) -> None:
        document = _members(finding)
        if answers is not None:
            document["answers"] = answers
        self._state.keep(finding.folder, REPORT, json.dumps(document, indent=1).encode() + b"\n")

    def _read(self) -> Iterator[Finding]:
        root = self._state.directory / "findings"
        found = []
        for path in root.glob(f"*/{REPORT}") if root.is_dir() else ():
            try:
                members = json.loads(path.read_bytes())
                members.pop("answers", None)
                members["clients"], members["sizes"] = tuple(members["clients"]), tuple(members["sizes"])
                finding = Finding(**members)
            except (ValueError, TypeError, KeyError, OSError):
                continue  # not one of ours, and nothing depends on it
            if finding.number < len(self._state.entries):
                found.append(finding)
        yield from sorted(found, key=lambda each: (each.number, each.folder))


def _looks_like(finding: Finding, key: str, left: str) -> bool:
    return finding.key == key and finding.fingerprint == left


def _members(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in finding.__dataclass_fields__}
