"""Manifests of scripted adapters."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.sockets import create_socket_directory

SCRIPT = Path(__file__).parent / "scripted_adapter.py"
Scripted = Callable[[str], Manifest]


@pytest.fixture
def scripted(tmp_path: Path) -> Scripted:
    """Makes the manifest of a scripted adapter of a mode."""

    def manifest(mode: str, name: str = "scripted") -> Manifest:
        return Manifest(
            name=name,
            lineage="scripted",
            description="for tests",
            forks=("paris",),
            folder=tmp_path,
            start_command=(sys.executable, str(SCRIPT), mode),
        )

    return manifest


@pytest.fixture
def socket_directory(tmp_path: Path) -> Iterator[Path]:
    """A directory short enough for sockets, removed afterwards."""
    directory = create_socket_directory()
    yield directory
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()


@pytest.fixture
def request_for_a_block(tmp_path: Path) -> ExecutionRequest:
    """A request that scripted adapters answer without looking."""
    return ExecutionRequest(tmp_path / "a.witness", b"\1" * 32, b"\2" * 32, deadline=20.0)
