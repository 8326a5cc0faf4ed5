"""Which tests stay together when they run in several processes: those of a file that is marked with `xdist_group`.

pytest-xdist 3.8 does this itself, but not with pytest 9.2, which has no `_nodeid` any more that xdist could write to.
"""

import re
from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
GROUP = re.compile(r'^pytestmark = pytest\.mark\.xdist_group\("([^"]+)"\)', re.MULTILINE)


def scope_of(nodeid: str) -> str:
    """What a test is sent out with: the group of its file, or only itself."""
    return _group_of(nodeid.partition("::")[0]) or nodeid


@cache
def _group_of(file: str) -> str | None:
    found = GROUP.search((ROOT / file).read_text())
    return found and found[1]


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc] # ships no types
    """Sends out one scope at a time, the largest first."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling | None:
    """For --dist loadgroup."""
    return GroupScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None
