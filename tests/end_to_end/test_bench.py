"""`verifier bench` on a block of our own: every kind of figure, from real clients; not how fast they are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.running import RunningAdapters
from verifier.app import bundled_chain
from verifier.services.recording import RecordOptions, record

VERIFIER = (sys.executable, "-m", "verifier.cli.main")
NAMES = ("geth", "revm")
MEASURED = {
    "publish": ("encode", "publish", "plain", "publish_synced", "plain_synced"),
    "adapter": ("own", "adapter_ms", "elapsed", "prestate_ms"),
    "resources": ("ready", "idle_memory", "first", "warm", "busy_memory", "single", "at_once"),
    "orchestration": ("settled", "slowest_counted"),
    "throughput": ("together",),
    "engine_gate": ("plain_p50", "gate_p50", "witness_p50"),
    "attestation_gate": ("plain_p50", "gate_p50", "first_p50"),
}


@pytest.fixture
def block(tmp_path: Path) -> Path:
    """The witness file of the bundled chain's first block."""
    chain = bundled_chain()
    options = RecordOptions(tmp_path, chain / "genesis.json", sync=False)
    event = next(iter(record(chain / "chain.rlp", options)))
    assert event.path is not None
    return event.path


def test_every_figure_is_measured(adapters: RunningAdapters, block: Path) -> None:
    absent = set(NAMES) - set(adapters.names)
    if absent:
        pytest.skip(f"cannot be started here: {', '.join(absent)}")
    arguments = ["bench", str(block), "--adapters", ",".join(NAMES), "--runs", "2", "--json"]
    done = subprocess.run([*VERIFIER, *arguments], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    assert [figures[0]["kind"], figures[-1]["kind"]] == ["machine", "machine"]
    for kind, keys in MEASURED.items():
        measured = [figure for figure in figures if figure["kind"] == kind]
        assert measured, kind
        for key in keys:
            assert measured[0][key] > 0, (kind, key)
    assert {figure["adapter"] for figure in figures if figure["kind"] == "adapter"} == set(NAMES)
