"""What `verifier adapters list` learns without starting a server."""

import asyncio
from dataclasses import replace

import pytest

from tests.verifier.executors.stateless.conftest import Scripted
from verifier.executors.stateless.inspection import inspect


def test_ready(scripted: Scripted) -> None:
    inspection = asyncio.run(inspect(scripted("well")))
    assert (inspection.state, inspection.reason) == ("ready", "")
    assert inspection.description is not None
    assert inspection.description.forks == ("paris", "prague")


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("exit", "exit status 9: fatal: scripted exit"),
        ("garbage", "its description cannot be read"),
        ("wrong-lineage", "it is of lineage other, adapter.toml says otherwise"),
        ("wrong-contract", "its description cannot be read: contract version 2"),
    ],
)
def test_crashed(scripted: Scripted, mode: str, reason: str) -> None:
    inspection = asyncio.run(inspect(scripted(mode)))
    assert inspection.state == "crashed"
    assert inspection.reason.startswith(reason)


def test_unavailable(scripted: Scripted) -> None:
    manifest = replace(scripted("well"), toolchain=("no-such-compiler",), artifact="bin/absent")
    inspection = asyncio.run(inspect(manifest))
    assert (inspection.state, inspection.reason) == ("toolchain missing", "not on PATH: no-such-compiler")
