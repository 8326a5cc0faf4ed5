"""The one command that shows a difference again, and the one that shows where in its block clients part."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from verifier.domain.conformance import CaseName, Difference
from verifier.services.evidence.document import one_line
from verifier.services.recording import directory_name

from .facts import RunFacts
from .line import shell_word

LONGEST_NAME = 400  # characters of a test's name in a command; eest's have up to 355
LONGEST_PATH = 4095  # bytes, PATH_MAX of Linux without its zero; no file has a longer one


def is_there(path: str) -> bool:
    """Whether this path is on this machine."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


@dataclass(frozen=True, slots=True)
class Commands:
    """exists: whether a path is there; asked only where a run had several suites."""

    facts: RunFacts
    exists: Callable[[str], bool] = is_there
    _files: dict[str, str] = field(default_factory=dict, repr=False)

    def reproduce(self, difference: Difference) -> str:
        """Runs the one test again, with the one adapter where it is about one."""
        file = self._file(difference.name)
        words = ["verifier", "conformance", file or " ".join(map(shell_word, self._suites()))]
        if difference.name.test:
            wanted = f"test:{_quoted(difference.name.test)}"
            wanted += "" if file else f" and path:{_quoted(difference.name.path)}"
            words += ["--filter", shell_word(wanted)]
        adapters = {each.client for each in self.facts.participants if not each.stateful}
        if difference.client in adapters and not difference.stateful:
            words += ["--adapters", shell_word(difference.client)]
        if self.facts.recorder:
            words += ["--recorder", shell_word(self.facts.recorder)]
        if self.facts.mode != "proof":
            words += ["--mode", shell_word(self.facts.mode)]
        return " ".join(words)

    def trace(self, name: CaseName) -> str:
        """Shows the first step in which clients differ in the test's blocks; "" where their witnesses were not kept."""
        if not self.facts.kept:
            return ""
        folder = PurePosixPath(self.facts.kept) / directory_name(Path(name.path), name.test)
        mode = "" if self.facts.mode == "proof" else f" --mode {shell_word(self.facts.mode)}"
        return f"verifier trace {shell_word(str(folder))}{mode}"

    def _suites(self) -> list[str]:
        return [one_line(each) if "://" in each else each for each in self.facts.suites]

    def _file(self, name: CaseName) -> str:
        """The test's file as the command takes it; "" where it cannot be told in which of several suites it is."""
        if name.path not in self._files:
            suites = self._suites()
            below = [each if _is_file(each, name.path) else f"{each.rstrip('/')}/{name.path}" for each in suites]
            below = [each for each in below if len(each) <= LONGEST_PATH]
            found = below if len(suites) == 1 else [each for each in below if self.exists(each)]
            self._files[name.path] = shell_word(found[0]) if len(found) == 1 else ""
        return self._files[name.path]


def _quoted(word: str) -> str:
    """A word of a filter's expression. What it cannot hold, or would be too long, is left to "?" and "*" there."""
    if len(word) > LONGEST_NAME:
        word = f"{word[: LONGEST_NAME // 2]}*{word[-LONGEST_NAME // 2 :]}"
    if '"' not in word:
        return f'"{word}"'
    return f"'{word}'" if "'" not in word else f'"{word.replace(chr(34), "?")}"'


def _is_file(suite: str, path: str) -> bool:
    """Whether the suite is itself the file: then the path below it is the file's own name."""
    return suite.rstrip("/").split("/")[-1] == path
