"""What each of several suites of a run is called: the paths of its tests begin with it.

Two suites may have files of the same path, and tests of the same name in them; and a folder is of one suite.
"""

from collections.abc import Sequence
from os.path import normpath
from pathlib import Path

from verifier.services.evidence.document import one_line

MOST_PARTS = 3  # of a path that a name is made of; suites that are still not told apart are numbered


def suite_names(arguments: Sequence[str]) -> tuple[str, ...]:
    """A name each, none of them another's nor a folder in it; "" for a suite alone, whose paths need none.

    arguments: files, directories and URLs, as given to the command. The last part of a path is enough of a name, if it
    tells it from the others.
    """
    if len(arguments) == 1:
        return ("",)
    paths = [_parts(each) for each in arguments]
    for count in range(1, MOST_PARTS + 1):
        names = ["/".join(parts[-count:]) for parts in paths]
        if not any(_holds(one, other) for i, one in enumerate(names) for j, other in enumerate(names) if i != j):
            return tuple(names)
    return tuple(f"{number}-{parts[-1]}" for number, parts in enumerate(paths, 1))


def path_in_suite(path: str, suite: str) -> str | None:
    """The path of a test's file below the suite of this name, "" where that is the file; None in another suite."""
    if not suite:
        return path
    return path[len(suite) + 1 :] if _holds(suite, path) else None


def _parts(argument: str) -> tuple[str, ...]:
    _, remote, address = one_line(argument).partition("://")
    path = address.strip("/") if remote else normpath(Path.cwd() / argument)
    return tuple(part for part in path.split("/") if part) or ("suite",)


def _holds(one: str, other: str) -> bool:
    return other == one or other.startswith(f"{one}/")
