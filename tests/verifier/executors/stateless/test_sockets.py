"""What killed verifiers leave is removed; what lives, or is not ours, stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from verifier.executors.stateless.sockets import create_socket_directory, remove_stale_directories


def test_own_directory_is_private_and_stays(tmp_path: Path) -> None:
    directory = create_socket_directory(tmp_path)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert remove_stale_directories(tmp_path) == []
    assert directory.exists()


def test_directories_of_the_dead_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    uid = os.getuid()
    left = tmp_path / f"verifier-{uid}-{dead.pid}-1-abc"
    recycled = tmp_path / f"verifier-{uid}-{os.getpid()}-1-abc"  # our process id, but another start time
    stranger = tmp_path / f"verifier-{uid + 1}-{dead.pid}-1-abc"
    unrelated = tmp_path / "verifier-import-xyz"
    for path in (left, recycled, stranger, unrelated):
        path.mkdir()
        (path / "adapter.log").touch()
    assert set(remove_stale_directories(tmp_path)) == {left, recycled}
    assert stranger.exists()
    assert unrelated.exists()


def test_two_that_start_at_once_may_remove_the_same_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / f"verifier-{os.getuid()}-{os.getpid()}-1-abc"
    left.mkdir()
    is_symlink = Path.is_symlink

    def look(path: Path) -> bool:
        found = is_symlink(path)
        left.rmdir()  # by the other one
        return found

    monkeypatch.setattr(Path, "is_symlink", look)
    assert remove_stale_directories(tmp_path) == []
