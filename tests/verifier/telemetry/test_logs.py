import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from verifier.domain.event import Alarm, Event, GateAnswered
from verifier.domain.gate import GateMode
from verifier.telemetry.logs import EventLog, LogFormat, configure_logging

from . import story
from .test_redaction import SIGNATURE, TOKEN


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(*events: Event, mode: GateMode = GateMode.EVERY_BLOCK, level: int = logging.INFO) -> list[dict[str, Any]]:
    stream = io.StringIO()
    configure_logging(LogFormat.JSON, level, stream)
    log = EventLog(story.profile(mode))
    for event in events:
        log.notify(event)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_attested_block_is_one_line() -> None:
    _, line = lines(story.anchor(99), *story.judged(100))
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "verdict",
        "level": "info",
        "logger": "verifier.events",
        "block": 100,
        "hash": f"0x{story.block_hash(100).hex()}",
        "verdict": "ATTEST",
        "valid": "ethereumjs,ethrex,geth,revm",
        "invalid": "",
        "abstaining": "",
        "ms": 135.0,
        "slowest": "ethrex 89 ms",
        "gate": "open",
    }


def test_a_block_on_an_undecided_parent_leaves_the_gate_closed() -> None:
    (line,) = lines(*story.judged(100))
    assert (line["verdict"], line["gate"]) == ("ATTEST", "closed")


def test_monitor_mode_says_what_the_gate_would_be() -> None:
    _, line = lines(story.anchor(99), *story.judged(100), mode=GateMode.MONITOR)
    assert line["gate"] == "would be open"


def test_epoch_target_is_open_until_something_speaks_against_it() -> None:
    (line,) = lines(*story.judged(100), mode=GateMode.EPOCH_TARGET)
    assert line["gate"] == "open"


def test_a_rejected_block_is_warned_of_once_for_each_thing() -> None:
    said = lines(story.anchor(99), *story.judged(100, revm="INVALID", ethrex="INVALID", ethereumjs="VALID"))
    assert [(each["event"], each["level"]) for each in said[1:]] == [
        ("vote", "warning"),
        ("vote", "warning"),
        ("verdict", "warning"),
        ("disputed", "warning"),
        ("gate", "warning"),
        ("gate", "warning"),
    ]
    assert said[1]["differences"] == ["state_root: 0x01 / 0x02"]
    assert said[3]["gate"] == "closed"
    assert said[3]["disagreement"] is True


def test_a_hold_and_an_alarm_are_warnings() -> None:
    said = lines(*story.judged(100, expired=True, revm="ABSTAIN", ethrex="VALID", ethereumjs="ABSTAIN"))
    assert said[0]["level"] == "warning"
    assert (said[0]["verdict"], said[0]["expired"]) == ("HOLD", True)
    (alarm,) = lines(Alarm("ledger_failed", "disk full"))
    assert (alarm["level"], alarm["alarm"], alarm["text"]) == ("warning", "ledger_failed", "disk full")


def test_the_same_refusal_again_and_again_is_one_line() -> None:
    refusal = GateAnswered("beacon", "/attestation_data", "503", True, 0.0, "undecided", story.block_hash(1))
    other = GateAnswered("beacon", "/attestation_data", "503", True, 0.0, "undecided", story.block_hash(2))
    assert len(lines(*[refusal] * 50, other)) == 2


def test_everything_is_there_for_debugging() -> None:
    said = lines(*story.whole(), level=logging.DEBUG)
    assert {
        "payload",
        "executed",
        "witness",
        "no witness",
        "vote",
        "verdict",
        "gate",
        "alarm",
        "anchor",
        "verified",
    } <= {each["event"] for each in said}


def test_what_libraries_log_goes_the_same_way_and_without_secrets() -> None:
    stream = io.StringIO()
    configure_logging(LogFormat.JSON, logging.INFO, stream)
    library = logging.getLogger("some.library")
    library.warning("sent %s", {"Authorization": f"Bearer {TOKEN}"})
    library.debug("not this")
    try:
        raise ValueError(f"bad token {TOKEN}")
    except ValueError:
        library.exception("failed")
    structlog.get_logger("ours").info("own", token=TOKEN, note=TOKEN)
    sent, failed, own = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (sent["logger"], sent["level"]) == ("some.library", "warning")
    assert "Traceback" in failed["exception"]
    assert own["token"] == "[removed]"
    assert SIGNATURE not in stream.getvalue()


def test_console_lines_are_key_value_and_cannot_be_forged() -> None:
    stream = io.StringIO()
    configure_logging(LogFormat.CONSOLE, logging.INFO, stream)
    configure_logging(LogFormat.CONSOLE, logging.INFO, stream)  # again: still one line each
    log = EventLog(story.profile())
    log.notify(Alarm("adapter_down", f"\x1b[2Jgone\n2026 [info] verdict {TOKEN}"))
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "alarm=adapter_down" in text
    assert "\x1b" not in text
    assert SIGNATURE not in text


def test_what_the_ledger_held_counts_for_the_gate() -> None:
    stream = io.StringIO()
    configure_logging(LogFormat.JSON, logging.INFO, stream)
    log = EventLog(story.profile())
    log.restore([story.anchor(99).block])
    for event in story.judged(100):
        log.notify(event)
    assert json.loads(stream.getvalue())["gate"] == "open"


def test_a_dispute_is_a_line_for_each_thing_that_happens_to_it() -> None:
    written = lines(*story.dispute(108), level=logging.WARNING)
    assert [each["event"] for each in written] == [
        "dispute open",
        "localized",
        "dispute unresolved",
        "dispute unresolved",
        "misbehaviour",
        "quarantine",
        "rolled back",
    ]
    assert written[1]["where"] == story.WHERE
    assert written[3]["evidence"] == "0011223344556677"
    assert (written[6]["dispute"], written[6]["moved"]) == ("", "forkchoice")
