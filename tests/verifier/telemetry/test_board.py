import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.dispute import Conclusion, Dispute
from verifier.domain.event import (
    AdapterQuarantined,
    Alarm,
    DisagreementLocalized,
    DisputeChanged,
    Event,
    GateAnswered,
    PayloadExecuted,
    PayloadReceived,
    StatusChanged,
    VerdictReached,
    VoteCast,
    WitnessFailed,
    WitnessPublished,
)
from verifier.domain.gate import GateMode
from verifier.domain.localization import Localization, Place
from verifier.domain.quorum import Decision, Verdict
from verifier.domain.result import Result
from verifier.domain.status import BlockStatus, ExecutorStatus
from verifier.domain.vote import Difference, Vote, VoteKind
from verifier.telemetry.board import FIELDS, LISTED, SECTIONS, TEXT, VOTES, Board

from . import story

NUMBERS = st.integers(0, 12)
REFERENCES = st.builds(story.reference, NUMBERS, st.integers(0, 1))
TEXTS = st.text(max_size=12)
SECONDS = st.floats(0, 100)
ADAPTERS = st.sampled_from(["revm", "ethrex", "eels", "stranger"])
VOTES_CAST = st.builds(Vote, ADAPTERS, ADAPTERS, st.sampled_from(VoteKind), TEXTS, st.just(()), SECONDS)
DECISIONS = st.builds(
    Decision,
    st.sampled_from(Verdict),
    st.booleans(),
    st.frozensets(ADAPTERS),
    st.frozensets(ADAPTERS),
    st.frozensets(ADAPTERS),
    st.booleans(),
)
TRACKED = st.builds(
    lambda number, status, anchor: story.tracked(number, status, anchor=anchor),
    NUMBERS,
    st.sampled_from(BlockStatus),
    st.booleans(),
)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(PayloadReceived, REFERENCES, st.integers(0), st.integers(0)),
    st.builds(PayloadExecuted, REFERENCES, st.sampled_from(ExecutorStatus), SECONDS),
    st.builds(WitnessPublished, REFERENCES, st.integers(0), SECONDS, TEXTS),
    st.builds(WitnessFailed, REFERENCES, TEXTS),
    st.builds(VoteCast, REFERENCES, st.just(Result("revm", "revm", story.COMPUTED)), VOTES_CAST, st.booleans()),
    st.builds(
        VerdictReached,
        REFERENCES,
        DECISIONS,
        st.lists(VOTES_CAST, max_size=3).map(tuple),
        SECONDS,
        st.booleans(),
        st.booleans(),
    ),
    st.builds(StatusChanged, TRACKED, st.none() | TRACKED),
    st.builds(
        GateAnswered,
        st.sampled_from(["engine", "beacon"]),
        TEXTS,
        TEXTS,
        st.booleans(),
        SECONDS,
        TEXTS,
        st.none() | REFERENCES.map(lambda block: block.hash),
    ),
    st.builds(
        lambda block, conclusion, why: DisputeChanged(Dispute("1-0", block, 0, 9, why, conclusion=conclusion)),
        REFERENCES,
        st.none() | st.sampled_from(Conclusion),
        TEXTS,
    ),
    st.builds(
        lambda block, text: DisagreementLocalized(Localization(block, Place.STEP, (), (), text)), REFERENCES, TEXTS
    ),
    st.builds(AdapterQuarantined, ADAPTERS, TEXTS),
    st.builds(Alarm, TEXTS, TEXTS),
)


def merge(snapshot: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """What the page does with changes."""
    rows = {row["hash"]: row for row in snapshot["blocks"]} | {row["hash"]: row for row in changes["rows"]}
    left = [row for hash_, row in rows.items() if hash_ not in changes["gone"]]
    left.sort(key=lambda row: (row["number"], row["seen"], row["hash"]), reverse=True)
    sections = {name: changes[name] for name in SECTIONS if name in changes}
    return {**snapshot, "blocks": left, "sequence": changes["sequence"], **sections}


def told(*events: Event, mode: GateMode = GateMode.EVERY_BLOCK, blocks: int = 48) -> Board:
    board = Board(story.profile(mode), blocks)
    for at, event in enumerate(events, 1000):
        board.apply(event, float(at))
    return board


def row(board: Board, number: int) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [each for each in board.snapshot()["blocks"] if each["number"] == number]
    assert len(rows) == 1
    return rows[0]


@given(st.lists(st.lists(EVENTS, max_size=12), max_size=8))
def test_changes_merged_into_an_older_snapshot_give_todays(batches: list[list[Event]]) -> None:
    board = Board(story.profile(), blocks=6)
    shown = board.snapshot()
    at = 0.0
    for batch in batches:
        for event in batch:
            at += 1
            board.apply(event, at)
        changes = board.changes()
        if changes is not None:
            shown = merge(shown, json.loads(json.dumps(changes)))
        expected = board.snapshot()
        assert json.loads(json.dumps(expected)) | {"sequence": 0} == shown | {"sequence": 0}
        assert board.changes() is None


@given(st.lists(EVENTS, max_size=80))
def test_it_stays_small_whatever_comes(events: list[Event]) -> None:
    snapshot = told(*events, blocks=6).snapshot()
    assert len(snapshot["blocks"]) <= 6
    numbers = [each["number"] for each in snapshot["blocks"]]
    assert numbers == sorted(numbers, reverse=True)
    for name in ("holds", "disputes", "alarms", "answers", "quarantined"):
        assert len(snapshot[name]) <= LISTED
    held = {entry["hash"] for entry in snapshot["holds"]}
    settled = {each["hash"] for each in snapshot["blocks"] if each["status"] in ("verified", "disputed", "invalid")}
    assert not held & settled
    disputed = {entry["hash"] for entry in snapshot["disputes"] if not entry["open"]}
    for each in snapshot["blocks"]:
        if each["status"] == "disputed" and each["hash"] in disputed:
            continue
        assert each["hash"] not in disputed


def test_an_honest_block() -> None:
    board = told(story.anchor(99), *story.judged(100))
    shown = row(board, 100)
    assert shown["status"] == "verified"
    assert shown["transactions"] == 182
    assert shown["execution"] == {"status": "VALID", "ms": 41.0}
    assert shown["witness"] == {"bytes": 2_412_000, "ms": 3.1, "source": "engine", "failed": None}
    assert {name: vote["kind"] for name, vote in shown["votes"].items()} == dict.fromkeys(story.LIVE, "VALID")
    assert shown["votes"]["ethereumjs"] == {"kind": "VALID", "ms": 412.0, "reason": "", "fields": [], "late": True}
    assert shown["verdict"]["verdict"] == "ATTEST"
    assert shown["verdict"]["ms"] == 135.0  # of the first verdict, not of the last vote
    assert shown["verdict"]["final"] is True
    assert shown["answer"]["answer"] == "VALID"
    snapshot = board.snapshot()
    assert snapshot["gate"] == {"state": "open", "number": 100, "hash": shown["hash"]}
    assert snapshot["holds"] == snapshot["disputes"] == snapshot["alarms"] == []


def test_a_disputed_block_is_listed_until_it_is_concluded() -> None:
    events = story.judged(100, revm="INVALID", ethrex="INVALID", ethereumjs="VALID")
    board = told(story.anchor(99), *events)
    (dispute,) = board.snapshot()["disputes"]
    assert dispute["number"] == 100
    assert board.snapshot()["holds"] == []
    assert row(board, 100)["votes"]["revm"]["fields"] == ["state_root"]
    assert board.snapshot()["gate"]["state"] == "closed"
    board.apply(StatusChanged(story.tracked(100, BlockStatus.INVALID), None), 2000.0)
    assert board.snapshot()["disputes"] == []


def test_a_dispute_says_where_and_what_it_came_to() -> None:
    opened, localized, concluded, *_ = story.dispute(108)
    board = told(*story.judged(108, revm="INVALID", ethrex="INVALID", ethereumjs="VALID"), opened, localized)
    (entry,) = board.snapshot()["disputes"]
    assert (entry["id"], entry["open"], entry["where"]) == ("108-00000000", True, story.WHERE)
    assert row(board, 108)["where"] == story.WHERE
    board.apply(concluded, 2000.0)
    (entry,) = board.snapshot()["disputes"]
    assert (entry["open"], entry["conclusion"]) == (False, "UNRESOLVED: nobody could say")


def test_an_open_dispute_over_an_attested_block_is_listed_until_it_ends() -> None:
    opened, _, concluded, *_ = story.dispute(100)
    board = told(*story.judged(100), opened)
    assert [entry["number"] for entry in board.snapshot()["disputes"]] == [100]
    board.apply(concluded, 2000.0)
    assert board.snapshot()["disputes"] == []


def test_who_is_in_quarantine_is_listed_once() -> None:
    events = [AdapterQuarantined("revm", "two words"), AdapterQuarantined("revm", "two words")]
    assert [entry["adapter"] for entry in told(*events).snapshot()["quarantined"]] == ["revm"]


def test_a_held_block_is_listed_until_it_is_decided() -> None:
    events = story.judged(100, expired=True, revm="ABSTAIN", ethrex="VALID", ethereumjs="ABSTAIN")
    board = told(story.anchor(99), *events)
    (hold,) = board.snapshot()["holds"]
    assert (hold["number"], hold["why"]) == (100, "HOLD: undecided")
    assert hold["since"] < board.snapshot()["answers"][0]["last"]
    board.apply(StatusChanged(story.tracked(100, BlockStatus.VERIFIED), None), 2000.0)
    assert board.snapshot()["holds"] == []
    assert board.snapshot()["gate"]["state"] == "open"


def test_an_anchor_above_ends_what_was_held_or_disputed_below() -> None:
    disputed = story.judged(100, revm="INVALID", ethrex="INVALID", ethereumjs="VALID")
    board = told(*disputed, story.anchor(200))
    assert board.snapshot()["disputes"] == []


def test_an_ancestor_that_is_decided_opens_the_gate_for_the_block_above() -> None:
    board = told(story.anchor(98), *story.beginning(99), *story.judged(100))
    assert board.snapshot()["gate"]["state"] == "closed"
    board.apply(StatusChanged(story.tracked(99, BlockStatus.VERIFIED), None), 2000.0)
    changes = board.changes()
    assert changes is not None
    assert changes["gate"]["state"] == "open"


def test_monitor_mode_says_what_the_gate_would_be() -> None:
    board = told(story.anchor(99), *story.judged(100), mode=GateMode.MONITOR)
    assert board.snapshot()["gate"]["state"] == "would be open"


def test_the_same_answer_and_the_same_alarm_are_counted() -> None:
    board = told(*[GateAnswered("beacon", "/x", "503", True, 0.0)] * 3, *[Alarm("a", "text")] * 2)
    assert [(each["answer"], each["count"]) for each in board.snapshot()["answers"]] == [("503", 3)]
    assert [(each["name"], each["count"], each["last"]) for each in board.snapshot()["alarms"]] == [("a", 2, 1004.0)]


def test_texts_and_votes_are_cut() -> None:
    differences = tuple(Difference(f"field{each}", "0x", "0x") for each in range(100))
    vote = Vote("revm", "revm", VoteKind.INVALID, "x" * 10_000, differences)
    board = told(VoteCast(story.reference(1), Result("revm", "revm", story.COMPUTED), vote))
    shown = row(board, 1)["votes"]["revm"]
    assert len(shown["reason"]) == TEXT
    assert len(shown["fields"]) == FIELDS
    for each in range(VOTES * 2):
        vote = Vote(f"adapter{each}", "x", VoteKind.VALID)
        board.apply(VoteCast(story.reference(1), Result("x", "x", story.COMPUTED), vote), 1.0)
    assert len(row(board, 1)["votes"]) == VOTES


def test_what_the_ledger_held_is_shown() -> None:
    board = Board(story.profile(), blocks=3)
    board.restore(
        [story.tracked(9, BlockStatus.DISPUTED), *(story.tracked(each, BlockStatus.VERIFIED) for each in range(9))], 5.0
    )
    assert [each["number"] for each in board.snapshot()["blocks"]] == [9, 8, 7]
    assert [each["number"] for each in board.snapshot()["disputes"]] == [9]


def test_the_columns_are_the_configured_voters() -> None:
    shown = Board(story.profile()).snapshot()["profile"]
    assert [(each["name"], each["role"]) for each in shown["adapters"]] == [
        (story.EXECUTOR, "executor"),
        ("revm", "live"),
        ("ethrex", "live"),
        ("ethereumjs", "live"),
        ("eels", "late"),
        ("pyevm", "late"),
    ]
    assert (shown["required"], shown["lineages"], shown["rejecting"]) == (3, 4, 2)
