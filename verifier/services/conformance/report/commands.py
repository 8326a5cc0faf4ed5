"""The one command that shows a difference again, and the one that shows where in its block clients part."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from verifier.domain.conformance import CaseName, Difference
from verifier.services.evidence.document import one_line

from ..kept_witnesses import folder_of
from ..suite_names import path_in_suite, suite_names
from .facts import RunFacts
from .line import shell_word

LONGEST_NAME = 400  # characters of a test's name in a command; eest's have up to 355
LONGEST_PATH = 4095  # bytes, PATH_MAX of Linux without its zero; no file has a longer one


@dataclass(frozen=True, slots=True)
class Commands:
    """Of one run."""

    facts: RunFacts
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
        if self.facts.deadline is not None:
            words += ["--deadline", f"{self.facts.deadline:g}"]
        return " ".join(words)

    def trace(self, name: CaseName) -> str:
        """Shows the first step in which clients differ in the test's blocks; "" where their witnesses were not kept."""
        if not self.facts.kept:
            return ""
        folder = PurePosixPath(self.facts.kept) / folder_of(name)
        mode = "" if self.facts.mode == "proof" else f" --mode {shell_word(self.facts.mode)}"
        return f"verifier trace {shell_word(str(folder))}{mode}"

    def _suites(self) -> list[str]:
        return [one_line(each) if "://" in each else each for each in self.facts.suites]

    def _file(self, name: CaseName) -> str:
        """The test's file as the command takes it; "" where no suite of the run has it."""
        if name.path not in self._files:
            below = [path_in_suite(name.path, each) for each in suite_names(self.facts.suites)]
            found = [
                _joined(suite, path, alone=len(below) == 1)
                for suite, path in zip(self._suites(), below, strict=True)
                if path is not None
            ]
            self._files[name.path] = shell_word(found[0]) if found and len(found[0]) <= LONGEST_PATH else ""
        return self._files[name.path]


def _quoted(word: str) -> str:
    """A word of a filter's expression. What it cannot hold, or would be too long, is left to "?" and "*" there."""
    if len(word) > LONGEST_NAME:
        word = f"{word[: LONGEST_NAME // 2]}*{word[-LONGEST_NAME // 2 :]}"
    if '"' not in word:
        return f'"{word}"'
    return f"'{word}'" if "'" not in word else f'"{word.replace(chr(34), "?")}"'


def _joined(suite: str, path: str, *, alone: bool) -> str:
    """A file of the suite, which may itself be the file: if it is alone, the path is its own name then."""
    root = suite.rstrip("/")
    return suite if path == (root.split("/")[-1] if alone else "") else f"{root}/{path}"
