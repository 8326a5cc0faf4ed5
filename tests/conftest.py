"""No deadlines for examples; and which tests stay together when they run in several processes.

They are those of a file that is marked with `xdist_group`. pytest-xdist 3.8 does this itself, but not with pytest 9.2,
which has no `_nodeid` any more that xdist could write to.
"""

import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Hypothesis's own 200 ms an example would make speed a matter of passing, and the machine is shared.
settings.register_profile("without_deadline", deadline=None)
settings.load_profile("without_deadline")

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
