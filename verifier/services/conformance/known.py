"""Differences that are known: explained where they show up, and found where they no longer do.

[[difference]]
client = "geth"
test = "*::revertInCreate*"          # of "path::test"; * and ? stand for others
network = "Cancun"                   # may be left out: of any
kinds = ["rejects a valid block"]    # as DifferenceKind has them
ways = ["stateful", "stateless"]     # how the client is asked where it differs
says = "crashed: "                   # may be left out: a part of the client's words
sometimes = true                     # may be left out: it depends on the machine, and is not missed where it is gone
why = "…"
link = "https://…"
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import translate
from functools import cached_property
from importlib.resources import files
from re import Pattern
from re import compile as compile_pattern
from typing import Any, TypeVar

from verifier.domain.conformance import CaseName, Difference, DifferenceKind, ExaminedCase, Said, differences
from verifier.errors import InputError

FILE = "known_differences.toml"
WAYS = {"stateful": True, "stateless": False}
REQUIRED = ("client", "test", "kinds", "ways", "why", "link")
OPTIONAL = ("network", "says", "sometimes")
NEVER_SAID = Said.ABSTAIN
T = TypeVar("T")


class KnownDifferencesError(InputError):
    """A file of known differences that is not of its form."""


@dataclass(frozen=True)
class KnownDifference:
    """One entry. test: glob over "path::test". network: "" for any. ways: true for stateful, false for stateless.

    kinds: what it may be; it depends on the recorder whether a client that goes its own way finds what it needs there.
    says: a part of the difference's text. sometimes: whether it may as well not show, such as what takes longer than a
    block may on a slow machine.
    """

    client: str
    test: str
    kinds: frozenset[DifferenceKind]
    ways: frozenset[bool]
    why: str
    link: str
    network: str = ""
    says: str = ""
    sometimes: bool = False

    @cached_property
    def _pattern(self) -> Pattern[str]:
        # Brackets are part of tests' names, and no classes of characters.
        return compile_pattern(translate(self.test.replace("[", "[[]")))

    def concerns(self, name: CaseName) -> bool:
        """Whether it is about a test."""
        return self.network in ("", name.network) and self._pattern.match(str(name)) is not None

    def explains(self, difference: Difference) -> bool:
        """Whether this is the difference that is known."""
        return (
            difference.client == self.client
            and difference.kind in self.kinds
            and difference.stateful in self.ways
            and self.says in difference.text
            and self.concerns(difference.name)
        )


@dataclass(frozen=True, slots=True)
class Disappeared:
    """A known difference that was to be seen in a test, and was not. stateful: how the client was asked."""

    name: CaseName
    client: str
    stateful: bool
    known: KnownDifference

    def __str__(self) -> str:
        way = "with state" if self.stateful else "without state"
        kinds = " or ".join(sorted(self.known.kinds))
        return f"{self.name}: {self.client} {way} no longer {kinds}; known was: {self.known.why}"


@dataclass(frozen=True)
class KnownDifferences:
    """All of a file."""

    entries: tuple[KnownDifference, ...] = ()

    def explain(self, difference: Difference) -> Difference:
        """The difference with why it is known, if it is."""
        entry = next((each for each in self.entries if each.explains(difference)), None)
        return difference if entry is None else replace(difference, known=f"{entry.why} ({entry.link})")

    def gone_in(self, case: ExaminedCase) -> tuple[Disappeared, ...]:
        """Every known difference that a client, asked about its test, did not show.

        A client that says nothing at all has not been heard: that is a difference of its own.
        """
        concerned = [entry for entry in self.entries if not entry.sometimes and entry.concerns(case.name)]
        if not concerned:
            return ()
        seen = differences(case)
        return tuple(
            Disappeared(case.name, entry.client, stateful, entry)
            for entry in concerned
            for stateful in sorted(entry.ways, reverse=True)
            if _was_heard(case, entry, stateful=stateful)
            and not any(entry.explains(each) and each.stateful is stateful for each in seen)
        )


def _was_heard(case: ExaminedCase, entry: KnownDifference, *, stateful: bool) -> bool:
    said = {
        answer.said
        for block in case.blocks
        for answer in block.answers
        if answer.client == entry.client and answer.stateful is stateful
    }
    return bool(said - {NEVER_SAID}) or (bool(said) and DifferenceKind.CANNOT_TELL in entry.kinds)


def packaged_differences() -> KnownDifferences:
    """Those that come with this package."""
    return parse_differences(files(__package__).joinpath(FILE).read_text(encoding="utf-8"), FILE)


def parse_differences(document: str, name: str) -> KnownDifferences:
    """Those in a TOML document; name: for errors. Raises KnownDifferencesError."""
    try:
        members = tomllib.loads(document)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise KnownDifferencesError(f"{name}: {error}") from None
    entries = members.pop("difference", [])
    if members or not isinstance(entries, list):
        raise KnownDifferencesError(f"{name}: only [[difference]] is known in it")
    return KnownDifferences(
        tuple(_entry(value, f"{name}: difference {index}") for index, value in enumerate(entries, 1))
    )


def _entry(value: Any, where: str) -> KnownDifference:
    if not isinstance(value, Mapping):
        raise KnownDifferencesError(f"{where}: a table is expected")
    superfluous = value.keys() - {*REQUIRED, *OPTIONAL}
    if superfluous:
        raise KnownDifferencesError(f"{where}: {min(superfluous)} is not known")
    for key in REQUIRED:
        if not value.get(key):
            raise KnownDifferencesError(f"{where}: {key} is missing")
    ways = _members(value, "ways", WAYS, where)
    kinds = _members(value, "kinds", {kind.value: kind for kind in DifferenceKind}, where)
    sometimes = value.get("sometimes", False)
    if not isinstance(sometimes, bool):
        raise KnownDifferencesError(f"{where}: sometimes is true or false")
    texts = {key: value.get(key, "") for key in (*REQUIRED, "network", "says") if key not in ("ways", "kinds")}
    for key, text in texts.items():
        if not isinstance(text, str):
            raise KnownDifferencesError(f"{where}: {key} is no string")
    if not texts["link"].startswith("https://"):
        raise KnownDifferencesError(f"{where}: link is no https address")
    return KnownDifference(kinds=kinds, ways=ways, sometimes=sometimes, **texts)


def _members(value: Mapping[str, Any], key: str, meanings: Mapping[str, T], where: str) -> frozenset[T]:
    given = value[key]
    if not isinstance(given, list) or not all(isinstance(each, str) and each in meanings for each in given):
        raise KnownDifferencesError(f"{where}: {key} is a list of {', '.join(meanings)}")
    return frozenset(meanings[each] for each in given)
