"""What adapters said, kept and held against each other, whatever the ledger does meanwhile."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.services.observing import Recorder
from verifier.domain.block import BlockReference
from verifier.domain.event import AdapterMisbehaved
from verifier.domain.quorum import quorum_policy
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Computed, Mode, Outcome, Result
from verifier.domain.vote import Vote, VoteKind
from verifier.ledger.dispute_ledger import FakeDisputeLedger, named
from verifier.ledger.errors import LedgerFullError
from verifier.services.statements import REMEMBERED, Statements

FULL = LedgerFullError("ledger.db: cannot be written: database or disk is full")
POLICY = quorum_policy({"node": "geth", "revm": "revm", "ethrex": "ethrex"})
SAYINGS: dict[str, tuple[Outcome, VoteKind]] = {
    "right": (Computed(bytes(32), bytes(32), bytes(256), 1, bytes(32)), VoteKind.VALID),
    "wrong": (Computed(b"\x01" * 32, bytes(32), bytes(256), 1, bytes(32)), VoteKind.INVALID),
    "base_fee": (BrokenRule("base_fee", "8"), VoteKind.INVALID),
    "gas_limit": (BrokenRule("gas_limit", "9"), VoteKind.INVALID),
    "nothing": (Abstention(AbstentionReason.TIMEOUT), VoteKind.ABSTAIN),
}


def block(number: int) -> BlockReference:
    return BlockReference(1, number, number.to_bytes(32, "big"))


def say(statements: Statements, adapter: str, number: int, saying: str, mode: Mode = Mode.PROOF) -> None:
    outcome, kind = SAYINGS[saying]
    result = Result(adapter, POLICY.adapters[adapter], outcome)
    statements.hear(block(number), mode, result, Vote(adapter, result.lineage, kind, saying))


def misbehaves(sayings: Sequence[str]) -> bool:
    """Two results that differ, but for two broken rules: a block can break several."""
    words = {each for each in sayings if each != "nothing"}
    return len(words) > 1 and words != {"base_fee", "gas_limit"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["revm", "ethrex"]), st.integers(0, 1), st.sampled_from(sorted(SAYINGS)), st.booleans()
        ),
        max_size=12,
    )
)
def test_who_said_two_things_of_one_block_is_in_quarantine_whatever_the_ledger_does(
    story: list[tuple[str, int, str, bool]],
) -> None:
    ledger, recorder = FakeDisputeLedger(), Recorder()
    statements = Statements(ledger, POLICY, recorder, clock=lambda: 5.0)
    for adapter, number, saying, fails in story:
        ledger.fail_with = FULL if fails else None
        say(statements, adapter, number, saying)
    ledger.fail_with = None
    statements.flush()
    guilty = {
        adapter
        for adapter in ("revm", "ethrex")
        for number in (0, 1)
        if misbehaves([said for name, at, said, _ in story if (name, at) == (adapter, number)])
    }
    assert statements.quarantined == named(ledger.quarantines()) == guilty
    assert {each.misbehaviour.first.adapter for each in recorder.of(AdapterMisbehaved)} == guilty
    kept = {(each.adapter, each.block.number, each.summary) for each in ledger.said}
    assert kept == {(name, number, said) for name, number, said, _ in story if said != "nothing"}


def test_modes_are_not_held_against_each_other_and_a_word_said_again_is_none() -> None:
    ledger, recorder = FakeDisputeLedger(), Recorder()
    statements = Statements(ledger, POLICY, recorder)
    for mode, saying in ((Mode.PROOF, "right"), (Mode.PRESTATE, "wrong"), (Mode.PROOF, "right")):
        say(statements, "revm", 1, saying, mode)
    statements.flush()
    assert len(ledger.said) == 2
    assert not statements.quarantined


def test_words_are_held_against_those_that_only_the_ledger_remembers() -> None:
    ledger, recorder = FakeDisputeLedger(), Recorder()
    statements = Statements(ledger, POLICY, recorder)
    for number in range(REMEMBERED + 2):
        say(statements, "revm", number, "right")
    statements.flush()
    say(statements, "revm", 0, "wrong")
    assert statements.quarantined == {"revm"}


def test_one_that_was_released_is_not_punished_again_for_the_same() -> None:
    ledger, recorder = FakeDisputeLedger(), Recorder()
    statements = Statements(ledger, POLICY, recorder)
    say(statements, "revm", 1, "right")
    say(statements, "revm", 1, "wrong")
    statements.flush()
    ledger.release("revm", "repaired", 9.0)
    again = Statements(ledger, POLICY, recorder)
    for saying in ("right", "wrong"):
        say(again, "revm", 1, saying)
    assert not again.quarantined
    say(again, "revm", 2, "right")
    say(again, "revm", 2, "base_fee")
    assert again.quarantined == {"revm"}


def test_it_is_stored_soon_after_and_not_while_a_vote_is_told() -> None:
    async def scenario() -> None:
        ledger, recorder = FakeDisputeLedger(), Recorder()
        statements = Statements(ledger, POLICY, recorder)
        say(statements, "revm", 1, "right")
        assert not ledger.said
        await asyncio.sleep(0)
        assert len(ledger.said) == 1

    asyncio.run(scenario())


def test_a_ledger_that_fails_is_said_once_and_tried_until_it_works() -> None:
    async def scenario() -> None:
        ledger, recorder = FakeDisputeLedger(), Recorder()
        statements = Statements(ledger, POLICY, recorder, retry_interval=0.001)
        ledger.fail_with = FULL
        say(statements, "revm", 1, "right")
        say(statements, "revm", 1, "wrong")
        await asyncio.sleep(0)
        assert statements.failure == str(FULL)
        assert recorder.alarms().count("statements_not_stored") == 1
        ledger.fail_with = None
        async with asyncio.timeout(60):
            while statements.failure:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)
        assert named(ledger.quarantines()) == {"revm"}
        assert len(ledger.said) == 2

    asyncio.run(scenario())
