"""What a contained process can and cannot do, tried by real processes."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from verifier.executors.stateless.containment import MEMORY_LIMIT, contained, enforced
from verifier.executors.stateless.sandbox import has_socket_filter, landlock_version

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containment is Linux's")
needs_landlock = pytest.mark.skipif(not landlock_version(), reason="this kernel has no Landlock")
needs_filter = pytest.mark.skipif(not has_socket_filter(), reason="this kernel has no seccomp filters")

ATTEMPT = """
import json, os, socket, subprocess, sys
try:
    exec(sys.argv[1])
except BaseException as error:
    print(json.dumps([type(error).__name__, getattr(error, "errno", None)]))
else:
    print(json.dumps("done"))
"""


def attempt(code: str, writable: Path, *, network: bool = False) -> object:
    """What came of Python code in a contained process: "done", or the error's class and number."""
    command = contained((sys.executable, "-c", ATTEMPT, code), writable, network=network)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """The directory that the process may write to."""
    (tmp_path / "inside").mkdir()
    return tmp_path / "inside"


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """A file that it may read only."""
    path = tmp_path / "a.witness"
    path.write_bytes(b"witness")
    return path


@needs_landlock
@pytest.mark.parametrize(
    "code",
    [
        "open({path!r}, 'r+b')",
        "open({path!r}, 'wb')",
        "os.truncate({path!r}, 0)",
        "os.unlink({path!r})",
        "os.rename({path!r}, {path!r} + '.other')",
        "os.replace(os.path.join({inside!r}, 'new'), {path!r})",
        "os.link({path!r}, {path!r} + '.other')",
        "os.symlink('x', {path!r} + '.other')",
        "os.mkdir({path!r} + '.directory')",
        "os.mkfifo({path!r} + '.fifo')",
        "subprocess.run(['rm', {path!r}], check=True, stderr=subprocess.DEVNULL)",
    ],
)
def test_a_witness_cannot_be_changed(code: str, inside: Path, witness: Path) -> None:
    (inside / "new").write_bytes(b"other")
    outcome = attempt(code.format(path=str(witness), inside=str(inside)), inside)
    assert outcome != "done"
    assert (witness.read_bytes(), sorted(path.name for path in witness.parent.iterdir())) == (
        b"witness",
        ["a.witness", "inside"],
    )


def test_what_it_needs_is_allowed(inside: Path, witness: Path) -> None:
    code = f"""
assert open({str(witness)!r}, "rb").read() == b"witness"
open(os.path.join({str(inside)!r}, "log"), "w").write("line")
open("/dev/null", "w").write("nothing")
server = socket.socket(socket.AF_UNIX)
server.bind(os.path.join({str(inside)!r}, "s"))
os.chmod(os.path.join({str(inside)!r}, "s"), 0o600)
os.unlink(os.path.join({str(inside)!r}, "s"))
subprocess.run([sys.executable, "-c", ""], check=True)
"""
    assert attempt(code, inside) == "done"


@needs_filter
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET"])
def test_there_is_no_network(family: str, inside: Path) -> None:
    code = f"socket.socket(socket.{family}, socket.SOCK_RAW if {family!r} == 'AF_PACKET' else socket.SOCK_DGRAM)"
    assert attempt(code, inside) == ["OSError", errno.EAFNOSUPPORT]


@needs_filter
def test_an_adapter_that_is_to_listen_keeps_the_network(inside: Path) -> None:
    assert attempt("socket.socket(socket.AF_INET).bind(('127.0.0.1', 0))", inside, network=True) == "done"


@needs_landlock
@pytest.mark.skipif(landlock_version() < 6, reason="signals are scoped from Landlock 6 on")
def test_it_can_signal_its_own_children_only(inside: Path) -> None:
    own = (
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE); child.kill(); child.wait()"
    )
    assert attempt(own, inside) == "done"
    assert attempt(f"os.kill({os.getpid()}, 0)", inside) == ["PermissionError", 1]


def test_memory_ends_at_the_limit(inside: Path) -> None:
    assert attempt("bytearray(64 << 20)", inside) == "done"
    assert attempt(f"bytearray({MEMORY_LIMIT})", inside) == ["MemoryError", None]


def test_what_it_starts_is_bound_too(inside: Path) -> None:
    code = f"subprocess.run([sys.executable, '-c', 'bytearray({MEMORY_LIMIT})'], check=True, stderr=subprocess.DEVNULL)"
    assert attempt(code, inside) == ["CalledProcessError", None]


@needs_landlock
def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    command = contained((sys.executable, "-c", ""), tmp_path / "absent")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (126, f"cannot start {sys.executable}: No such file or directory\n")


def test_what_is_enforced_is_told() -> None:
    assert list(enforced()) == ["memory", "network", "files"]
