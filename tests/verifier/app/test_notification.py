"""sd_notify: a datagram where a supervisor asks for one, and nothing ever fails by it."""

import socket
from pathlib import Path

import pytest

from verifier.app.notification import notify_supervisor


def test_it_tells_a_supervisor_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify_supervisor("READY=1")
        assert supervisor.recv(100) == b"READY=1"
    for nobody in (str(tmp_path / "absent"), "relative", ""):
        monkeypatch.setenv("NOTIFY_SOCKET", nobody)
        notify_supervisor("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify_supervisor("READY=1")
