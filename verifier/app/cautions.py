"""What a configuration leaves open, or lets happen that an operator may not mean: said loudly at each start."""

from collections.abc import Iterator

from verifier.configuration.sections import Configuration
from verifier.domain.event import Alarm
from verifier.domain.gate import GateMode, HoldAnswer


def cautions(values: Configuration) -> Iterator[Alarm]:
    """One alarm each."""
    monitor = values.mode.gate is GateMode.MONITOR
    if not values.engine.enabled:
        text = "[engine] enabled = false: payloads are not held, the consensus client builds on unverified blocks"
        yield Alarm("engine_gate_off", text)
    if not values.beacon.enabled:
        text = "[beacon] enabled = false: validators are not kept from attesting to unverified blocks"
        yield Alarm("attestation_gate_off", text)
    passing = values.engine.enabled and values.engine.hold_answer is HoldAnswer.PASS
    if passing and values.disputes.enabled and not monitor:
        text = '[engine] hold_answer = "pass" with [disputes] enabled: what is found invalid was answered VALID before'
        yield Alarm("invalid_after_valid", text)
    if monitor:
        yield Alarm("monitor_mode", "[mode] gate = monitor: everything is judged, and nothing is gated")
