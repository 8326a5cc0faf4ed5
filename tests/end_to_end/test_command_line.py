"""The commands as a user runs them: output, exit status, and nothing left behind however they end."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from verifier.executors.stateless.manifest import read_manifests
from verifier.services.contract.tampering import POSITION, added, decoded, rebuilt
from witness.file import write_witness_file
from witness.model import BlockWitness

VERIFIER = (sys.executable, "-m", "verifier.cli.main")
ADAPTERS = Path(__file__).parents[2] / "adapters"
ENDING_TIMEOUT = 30.0  # seconds for every process of a stopped command to be gone


def verifier(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [*VERIFIER, *map(str, arguments)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def fastest() -> str:
    """The names of the adapters that start quickest, of those that are available."""
    there = [each.name for each in read_manifests(ADAPTERS) if each.unavailable_because() is None]
    return next(name for name in ("geth", "ethrex", "pyevm", "eels") if name in there)


@pytest.fixture
def invalid_block(prague_block: BlockWitness) -> BlockWitness:
    block = decoded(prague_block)
    block[0][POSITION["gas_used"]] = added(1)(block[0][POSITION["gas_used"]])
    return rebuilt(prague_block, block)


def test_json_of_a_valid_block(prague_block: BlockWitness, tmp_path: Path, fastest: str) -> None:
    path = write_witness_file(prague_block, tmp_path)
    done = verifier("replay", path, "--adapters", fastest, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    document = json.loads(line)
    assert document["block"] == {"chain_id": 1, "number": 22615247, "hash": f"0x{prague_block.hash.hex()}"}
    assert document["verdict"] == "ATTEST"
    (vote,) = document["votes"]
    assert vote["elapsed_ms"] > 0
    assert {key: vote[key] for key in ("adapter", "vote", "reason", "differences")} == {
        "adapter": fastest,
        "vote": "VALID",
        "reason": None,
        "differences": [],
    }


def test_json_of_an_invalid_block(invalid_block: BlockWitness, tmp_path: Path, fastest: str) -> None:
    done = verifier("replay", write_witness_file(invalid_block, tmp_path), "--adapters", fastest, "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["verdict"]) == (1, "REJECT")
    (difference,) = document["votes"][0]["differences"]
    assert difference["field"] == "gas_used"
    assert int(difference["header"], 16) == int(difference["computed"], 16) + 1


def test_exit_statuses(prague_block: BlockWitness, invalid_block: BlockWitness, tmp_path: Path, fastest: str) -> None:
    good = write_witness_file(prague_block, tmp_path)
    bad = write_witness_file(invalid_block, tmp_path)
    damaged = tmp_path / "damaged.witness"
    damaged.write_bytes(good.read_bytes()[:-1])
    choice = ("--adapters", fastest)
    assert verifier("replay", good, *choice).returncode == 0
    assert verifier("replay", good, bad, damaged, *choice).returncode == 1
    hold = verifier("replay", good, *choice, "--deadline", "0.001")
    assert (hold.returncode, "timeout" in hold.stdout) == (3, True)
    unreadable = verifier("replay", good, damaged, *choice)
    assert unreadable.returncode == 2
    assert unreadable.stderr.startswith(f"verifier: {damaged}: ")
    assert "1 ATTEST" in unreadable.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay"], "Missing argument"),
        (["replay", "/nonexistent"], "verifier: /nonexistent: does not exist"),
        (["replay", "{file}", "--adapters", "nobody"], "verifier: no such adapter: nobody"),
        (["replay", "{file}", "--quorum", "99"], "verifier: quorum 99 is not between 1 and the"),
        (["replay", "{file}", "--chain-config", "{file}"], "chain config is not JSON"),
        (["replay", "{file}", "--trusted-roots", "{file}"], "verifier: {file}: "),
        (["adapters", "build", "nobody"], "verifier: no such adapter: nobody"),
        (["witness", "show", "/nonexistent"], "/nonexistent"),
        (["nonsense"], "No such command"),
    ],
)
def test_usage_errors(tmp_path: Path, arguments: Sequence[str], message: str) -> None:
    file = tmp_path / "file.witness"
    file.write_bytes(b"nothing")
    done = verifier(*(argument.format(file=file) for argument in arguments))
    assert done.returncode == 2
    assert message.format(file=file) in done.stderr
    assert "Traceback" not in done.stderr


def test_all_adapters_are_listed() -> None:
    done = verifier("adapters", "list", "--json")
    assert done.returncode == 0
    documents = {document["name"]: document for document in map(json.loads, done.stdout.splitlines())}
    assert set(documents) == {each.name for each in read_manifests(ADAPTERS)}
    for document in documents.values():
        assert document["state"] in ("ready", "not built", "toolchain missing", "packages missing"), document
        if document["state"] == "ready":
            assert document["version"]
            assert document["forks"]
            assert document["reason"] is None
        else:
            assert document["reason"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_running_adapters_end_with_the_command(number: signal.Signals) -> None:
    command = subprocess.Popen([*VERIFIER, "adapters", "start"], stdout=subprocess.PIPE, text=True)
    assert command.stdout is not None
    available = sum(each.unavailable_because() is None for each in read_manifests(ADAPTERS))
    sockets = set()
    for line in command.stdout:
        if " ready " in line:
            sockets.add(Path(line.split("address=unix:")[1].split()[0]))
        if len(sockets) == available:
            break
    children = psutil.Process(command.pid).children(recursive=True)
    assert len(children) >= available
    assert all(socket.exists() for socket in sockets)
    command.send_signal(number)
    command.wait(ENDING_TIMEOUT)
    command.stdout.close()
    _, alive = psutil.wait_procs(children, ENDING_TIMEOUT)
    assert not alive
    assert not any(socket.exists() for socket in sockets)
    if number is not signal.SIGKILL:
        assert command.returncode == 0
        assert not any(socket.parent.exists() for socket in sockets)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_an_interrupted_replay_leaves_nothing(
    prague_block: BlockWitness, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    # Many times the same block: long enough to be interrupted in the middle.
    path = write_witness_file(prague_block, tmp_path)
    command = subprocess.Popen(
        [*VERIFIER, "replay", "--json", *[str(path)] * 2000],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert command.stdout is not None
    assert json.loads(command.stdout.readline())["verdict"] == "ATTEST"
    children = psutil.Process(command.pid).children(recursive=True)
    command.send_signal(number)
    assert command.wait(ENDING_TIMEOUT) == status
    command.stdout.close()
    _, alive = psutil.wait_procs(children, ENDING_TIMEOUT)
    assert not alive


def test_output_into_a_closed_pipe(prague_block: BlockWitness, tmp_path: Path, fastest: str) -> None:
    path = write_witness_file(prague_block, tmp_path)
    command = subprocess.Popen(
        [*VERIFIER, "replay", "--json", "--adapters", fastest, *[str(path)] * 300],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.readline()
    command.stdout.close()
    errors = command.stderr.read()
    command.stderr.close()
    command.wait(ENDING_TIMEOUT)
    assert "Traceback" not in errors
