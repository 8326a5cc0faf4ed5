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
from verifier.services.fuzzing.construction import Constructor
from verifier.services.fuzzing.draft import Draft, TransactionDraft
from verifier.services.fuzzing.fixture import fixture
from verifier.services.fuzzing.wallets import CONTRACTS
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
STEP, TESTS = 2, 5  # of a suite
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


def bench(block: Path | None, *options: str) -> list[dict[str, Any]]:
    """The figures that the command prints."""
    paths = [] if block is None else [str(block)]
    command = [*VERIFIER, "bench", *paths, "--adapters", ",".join(NAMES), "--json", *options]
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


def test_suites_are_measured_beside_a_clients_own_runner(adapters: RunningAdapters, tmp_path: Path) -> None:
    if absent := set(NAMES) - set(adapters.names):
        pytest.skip(f"cannot be started here: {', '.join(absent)}")
    suite, seen = tmp_path / "suite", tmp_path / "seen"
    suite.mkdir()
    (suite / "other.json").write_text('{"no": "test"}')
    constructor = Constructor()
    for number in range(TESTS):
        draft = Draft("prague", transactions=(TransactionDraft(to=CONTRACTS[0], value=number),))
        (suite / f"{number}.json").write_bytes(fixture(constructor.build(draft, f"test {number}").case, {}))
    # A runner that tells which files it was given, and fails.
    own = f"geth=sh -c 'ls \"$1\" >> {seen}; exit 3' own"
    options = ("--part", "conformance", "--suite", str(suite), "--own-runner", own, "--tests", str(STEP))
    figures = [each for each in bench(None, *options) if each["kind"] == "suite"]
    assert [(each["runner"], each["clients"], each["tests"]) for each in figures] == [
        ("geth", ["geth"], STEP),
        ("conformance", ["geth"], STEP),
        ("conformance", ["revm"], STEP),
        ("conformance", list(NAMES), STEP),
        ("geth", ["geth"], TESTS),
        ("conformance", ["geth"], TESTS),
        ("conformance", list(NAMES), TESTS),
    ]
    assert all(each["rate"] == each["tests"] / each["seconds"] for each in figures)
    assert [each["exit_status"] for each in figures] == [3, 0, 0, 0, 3, 0, 0]
    assert all(each["peak_memory"] > 0 for each in figures if each["runner"] == "conformance")
    compared = [each["tests"] for each in figures if each.get("of geth's own", 0) > 0]
    assert compared == [STEP, STEP, TESTS, TESTS]  # alone, and all together
    assert len(seen.read_text().split()) == STEP + TESTS


def test_nothing_to_measure() -> None:
    command = [*VERIFIER, "bench", "--part", "conformance"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 2
    assert done.stderr == "verifier: nothing to measure: conformance runs need a --suite\n"
