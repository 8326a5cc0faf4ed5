"""`verifier bench` on a block of our own: every kind of figure, from real clients; not how fast they are."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import RunningAdapters
from verifier.app import bundled_chain
from verifier.services.backlog import HELD_LIMIT
from verifier.services.judging import UNDER_WAY
from verifier.services.recording import RecordOptions, record
from witness.file import map_witness_file, write_witness_file

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
PARTS = ("publish", "adapters", "resources", "orchestration", "throughput", "gates")
FOUND = {"instruction": "step", "hidden instruction": "step", "receipt": "transaction", "root": "trie"}
PAYLOADS = 200
PADDING = [number.to_bytes(2, "big") * 12_288 for number in range(20)]  # codes of 24 KiB, the most that there can be
# MiB that the sidecar may take up more after all payloads than after the first tenth: their witnesses have 86 MiB in
# all, and as they come twice that.
GROWTH = 40


@pytest.fixture
def block(tmp_path: Path) -> Path:
    """The witness file of the bundled chain's first block."""
    chain = bundled_chain()
    options = RecordOptions(tmp_path, chain / "genesis.json", sync=False)
    event = next(iter(record(chain / "chain.rlp", options)))
    assert event.path is not None
    return event.path


def bench(block: Path, *options: str) -> list[dict[str, Any]]:
    """The figures that the command prints."""
    command = [*VERIFIER, "bench", str(block), "--adapters", ",".join(NAMES), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_figure_is_measured(adapters: RunningAdapters, block: Path) -> None:
    absent = set(NAMES) - set(adapters.names)
    if absent:
        pytest.skip(f"cannot be started here: {', '.join(absent)}")
    figures = bench(block, "--runs", "2", *(word for part in PARTS for word in ("--part", part)))
    assert [figures[0]["kind"], figures[-1]["kind"]] == ["machine", "machine"]
    for kind, keys in MEASURED.items():
        measured = [figure for figure in figures if figure["kind"] == kind]
        assert measured, kind
        for key in keys:
            assert measured[0][key] > 0, (kind, key)
    assert {figure["adapter"] for figure in figures if figure["kind"] == "adapter"} == set(NAMES)


def test_localization_is_measured_wherever_clients_part(adapters: RunningAdapters, block: Path) -> None:
    absent = set(NAMES) - set(adapters.names)
    if absent:
        pytest.skip(f"cannot be started here: {', '.join(absent)}")
    figures = [each for each in bench(block, "--part", "localization", "--runs", "1") if each["kind"] == "localization"]
    assert {figure["adapter"] for figure in figures} == set(NAMES)
    assert {figure["by"] for figure in figures} == FOUND.keys()
    for figure in figures:
        assert figure["found"] == FOUND[figure["by"]], figure
        assert figure["seconds"] > 0
        assert figure["steps"] > 0
        assert (figure["deriving_memory"] > 0) is (figure["by"] in ("receipt", "root")), figure


def test_under_load_everything_is_attested_and_nothing_piles_up(
    adapters: RunningAdapters, block: Path, tmp_path: Path
) -> None:
    absent = set(NAMES) - set(adapters.names)
    if absent:
        pytest.skip(f"cannot be started here: {', '.join(absent)}")
    content = map_witness_file(block)
    padded = replace(content, witness=replace(content.witness, codes=[*content.witness.codes, *PADDING]))
    (tmp_path / "padded").mkdir()
    path = write_witness_file(padded, tmp_path / "padded", sync=False)
    options = ("--part", "load", "--payloads", str(PAYLOADS), "--clients", "10")
    figures = [figure for figure in bench(path, *options) if figure["kind"] == "load"]
    assert [figure["gate"] for figure in figures] == ["every-block", "monitor"]
    for figure in figures:
        assert figure["attested"] == PAYLOADS, figure
        assert figure["witness_size"] > 2 * sum(map(len, PADDING))
        assert figure["duties"] > 0
        assert figure["refused"] == 0, figure
        first, *_, last = figure["memory"].values()
        assert max(last, figure["drained"]) - first < GROWTH, figure
        assert figure["judging"] <= UNDER_WAY + 1, figure
        assert figure["waiting_held"] <= HELD_LIMIT / (1 << 20), figure
    assert figures[0]["waiting"] <= 1  # each is held until its verdict
