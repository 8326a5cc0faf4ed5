"""Which tests of a suite are wanted: by an expression on their names, and by fork.

    expression = term ("or" term)*        term = factor ("and" factor)*
    factor = "not" factor | "(" expression ")" | word

A word is looked for anywhere in "path::test"; * and ? in it stand for anything and for one character. With `network:`,
`kind:`, `path:` or `test:` in front it has to be the whole of that. In quotes it may hold spaces and parentheses.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from verifier.domain.conformance import CaseName
from verifier.errors import UsageError

from .loaders.errors import FixtureError
from .loaders.networks import forks_of

TOKEN = re.compile(r"""\s*(?:([()])|((?:[a-z]+:)?(?:"[^"]*"|'[^']*'|[^\s()"']+)))""")
PARTS: dict[str, Callable[[CaseName], str]] = {
    "network": lambda name: name.network,
    "kind": lambda name: name.kind,
    "path": lambda name: name.path,
    "test": lambda name: name.test,
}
MAX_DEPTH = 50  # of parentheses and "not"
Test = Callable[[CaseName], bool]


class SelectionError(UsageError):
    """An expression that cannot be read, or a fork that no fixture is of."""


@dataclass(frozen=True)
class Selection:
    """Tests by name. expression: "" for all. forks: as fixtures name them; none for all.

    A fork's name takes the tests on it and on transitions to it, a transition's name those on it alone. Raises
    SelectionError.
    """

    expression: str = ""
    forks: Sequence[str] = ()
    _test: Test = field(init=False, repr=False, compare=False)
    _networks: frozenset[tuple[str, str | None]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_test", _parse(self.expression) if self.expression.strip() else _everything)
        object.__setattr__(self, "_networks", frozenset(_fork(each) for each in self.forks))

    def takes(self, name: CaseName) -> bool:
        """Whether the test is wanted."""
        return self._takes_network(name.network) and self._test(name)

    def _takes_network(self, network: str) -> bool:
        if not self._networks:
            return True
        if any(network.lower() == each.lower() for each in self.forks):
            return True
        try:
            before, after = forks_of(network)
        except FixtureError:
            return False  # of no known fork, so of none that is asked for
        return (after or before, None) in self._networks


def _everything(_: CaseName) -> bool:
    return True


def _fork(name: str) -> tuple[str, str | None]:
    try:
        return forks_of(name)
    except FixtureError:
        raise SelectionError(f"no fixtures are of a fork {name!r}") from None


def _parse(expression: str) -> Test:
    parser = _Parser(expression)
    test = parser.expression(0)
    if parser.token:
        raise parser.error(f"{parser.token!r} is one too many")
    return test


class _Parser:
    """token: the one to come, "" at the end."""

    def __init__(self, expression: str) -> None:
        self._expression = expression.strip()
        self._at = 0
        self.token = ""
        self._advance()

    def error(self, reason: str) -> SelectionError:
        return SelectionError(f"filter {self._expression[:200]!r}: {reason}")

    def _advance(self) -> str:
        """The token that was to come."""
        token = self.token
        match = TOKEN.match(self._expression, self._at)
        if match is None:
            if self._at < len(self._expression):
                raise self.error(f"a quotation does not end, from {self._expression[self._at :][:20]!r} on")
            self.token = ""
        else:
            self._at = match.end()
            self.token = match[1] or match[2]
        return token

    def expression(self, depth: int) -> Test:
        tests = [self._term(depth)]
        while self.token == "or":  # noqa: S105 - a word of the language
            self._advance()
            tests.append(self._term(depth))
        return tests[0] if len(tests) == 1 else lambda name: any(test(name) for test in tests)

    def _term(self, depth: int) -> Test:
        tests = [self._factor(depth)]
        while self.token == "and":  # noqa: S105
            self._advance()
            tests.append(self._factor(depth))
        return tests[0] if len(tests) == 1 else lambda name: all(test(name) for test in tests)

    def _factor(self, depth: int) -> Test:
        if depth > MAX_DEPTH:
            raise self.error(f"nested deeper than {MAX_DEPTH} levels")
        token = self._advance()
        if token == "not":  # noqa: S105
            inner = self._factor(depth + 1)
            return lambda name: not inner(name)
        if token == "(":  # noqa: S105
            inner = self.expression(depth + 1)
            if self._advance() != ")":
                raise self.error("a ) is missing")
            return inner
        if token in ("", ")", "and", "or"):
            raise self.error(f"a word is expected, not {token!r}" if token else "a word is expected at its end")
        return self._word(token)

    def _word(self, token: str) -> Test:
        prefix, colon, rest = token.partition(":")
        whole = bool(colon) and prefix in PARTS and bool(rest)
        word = _unquoted(rest if whole else token)
        if not word:
            raise self.error("an empty word")
        pattern = re.compile(_pattern(word), re.DOTALL)
        if whole:
            part = PARTS[prefix]
            return lambda name: pattern.fullmatch(part(name)) is not None
        return lambda name: pattern.search(str(name)) is not None


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] in "\"'" and word[-1] == word[0] else word


def _pattern(word: str) -> str:
    """Only * and ? stand for others: the brackets of parameters are part of tests' names."""
    return re.sub(r"\*+", "*", word).translate(_SPECIAL)


_SPECIAL = {
    **{ord(character): f"\\{character}" for character in r".^$+{}[]()|\\#&~- "},
    ord("*"): ".*?",
    ord("?"): ".",
}
