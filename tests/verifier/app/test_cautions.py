"""What is said at a start of a configuration that leaves something open, and only then."""

from dataclasses import replace

import pytest

from verifier.app.cautions import cautions
from verifier.configuration.sections import Configuration
from verifier.domain.gate import GateMode, HoldAnswer

DEFAULT = Configuration()
ENGINE, DISPUTES = DEFAULT.engine, DEFAULT.disputes
PASS = replace(ENGINE, hold_answer=HoldAnswer.PASS)
MONITOR = replace(DEFAULT.mode, gate=GateMode.MONITOR)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (DEFAULT, []),
        (replace(DEFAULT, engine=replace(ENGINE, enabled=False)), ["engine_gate_off"]),
        (replace(DEFAULT, beacon=replace(DEFAULT.beacon, enabled=False)), ["attestation_gate_off"]),
        (replace(DEFAULT, mode=MONITOR), ["monitor_mode"]),
        (replace(DEFAULT, engine=PASS), ["invalid_after_valid"]),
        (replace(DEFAULT, engine=PASS, disputes=replace(DISPUTES, enabled=False)), []),
        (replace(DEFAULT, engine=PASS, mode=MONITOR), ["monitor_mode"]),  # nothing is answered INVALID there
    ],
)
def test_what_is_said(values: Configuration, names: list[str]) -> None:
    assert [each.name for each in cautions(values)] == names
