"""What real clients said of a block, bundled, carried elsewhere and executed again: bit for bit the same."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.running import RunningAdapters
from tests.verifier.services.test_derivation import recorded
from verifier.domain.dispute import Dispute
from verifier.domain.result import Computed, Mode
from verifier.domain.statement import state
from verifier.executors.stateless.base import ExecutionRequest
from verifier.services.evidence import Evidence, Versions, read_bundle, write_bundle
from verifier.services.evidence.rerun import Reproduction, rerun
from witness.file import check_binding, parent_state_root, write_witness_file

BLOCK = 23  # of the sample chain: every type of transaction, deposits, requests of all kinds


@pytest.mark.parametrize("mode", Mode)
def test_every_outcome_comes_again(adapters: RunningAdapters, tmp_path: Path, mode: Mode) -> None:
    content = recorded(BLOCK)
    header = check_binding(content)
    root = parent_state_root(content, header)
    assert root is not None
    witness = write_witness_file(content, tmp_path, sync=False)
    report = adapters.judge_file(witness, mode=mode)
    votes = {each.adapter: each for each in report.votes}
    said = [state(report.block, mode, each, votes[each.adapter], 1.0) for each in report.results]
    statements = tuple(each for each in said if each is not None)
    assert len(statements) == len(adapters.names)
    dispute = Dispute(f"{BLOCK}-{header.hash.hex()[:8]}", report.block, 1.0, 61.0, "a test", statements)
    request = ExecutionRequest(witness, header.hash, root, 120.0, mode=mode)
    name = write_bundle(tmp_path / "here", Evidence(dispute, request, report.results, Versions("0")))
    witness.unlink()
    (tmp_path / "elsewhere").mkdir()
    elsewhere = shutil.move(tmp_path / "here" / name, tmp_path / "elsewhere" / name)
    read = read_bundle(Path(elsewhere))
    done = adapters.run(rerun(adapters.executors(), read, 120.0, {}))
    assert {each.adapter: each.reproduction for each in done.comparisons} == dict.fromkeys(
        adapters.names, Reproduction.SAME
    )
    assert all(len(each.recorded) == 1 for each in done.comparisons)
    assert (done.reproduced, done.notes) == (True, ())

    wrong = [
        replace(each, outcome=replace(each.outcome, gas_used=1)) if isinstance(each.outcome, Computed) else each
        for each in read.results
    ]
    changed = replace(read, results=tuple(wrong), dispute=replace(read.dispute, statements=()))
    assert adapters.run(rerun(adapters.executors(), changed, 120.0, {})).reproduced is False
