"""What is kept of the events of a demonstration."""

import asyncio

from tests.verifier.domain.builders import vote
from verifier.demo.record import GateAnswer, Record
from verifier.domain.block import BlockReference
from verifier.domain.dispute import dispute_rule, open_dispute
from verifier.domain.event import (
    AdapterQuarantined,
    Alarm,
    DisagreementLocalized,
    DisputeChanged,
    GateAnswered,
    RolledBack,
    VerdictReached,
)
from verifier.domain.localization import Localization, Place
from verifier.domain.quorum import decide, quorum_policy
from verifier.domain.rollback import Rollback, RollbackStep
from verifier.domain.vote import VoteKind

BLOCK = BlockReference(7, 1, b"\1" * 32)


def test_blocks_gates_and_alarms() -> None:
    record = Record()
    votes = (vote("a", VoteKind.VALID), vote("b", VoteKind.INVALID))
    decision = decide(quorum_policy({"a": "a", "b": "b"}, 1, 2), votes)
    record.notify(VerdictReached(BLOCK, decision, votes[:1], 0.1))
    assert not record.of(BLOCK.hash).final
    record.notify(VerdictReached(BLOCK, decision, votes, 0.2, final=True))
    record.notify(GateAnswered("beacon", "GET x", "refused", gated=True, waited=0.1, block_hash=BLOCK.hash))
    record.notify(GateAnswered("beacon", "GET x", "refused", gated=True, waited=0.2))
    record.notify(Alarm("anchored", "there"))
    kept = record.of(BLOCK.hash)
    assert (kept.final, kept.decision, set(kept.votes)) == (True, decision, {"a", "b"})
    assert record.gates == {GateAnswer("beacon", "GET x", "refused", gated=True): 2}
    assert [each.name for each in record.alarms] == ["anchored"]


def test_disputes_and_who_is_in_quarantine() -> None:
    rule = dispute_rule(quorum_policy({"a": "a", "b": "b"}), {})
    dispute = open_dispute(BLOCK, "they differ", 1.0, rule)
    rollback = Rollback(dispute.id, BLOCK, None, RollbackStep.DONE, 2.0)
    localization = Localization(BLOCK, Place.TRIE, (), (), "the root")
    record = Record()
    for event in (
        DisputeChanged(dispute),
        DisagreementLocalized(localization),
        RolledBack(rollback),
        AdapterQuarantined("a", "it was alone"),
    ):
        record.notify(event)
    kept = record.of(BLOCK.hash)
    assert (kept.dispute, kept.localization, kept.rollback) == (dispute, localization, rollback)
    assert record.quarantined == {"a": "it was alone"}


def test_it_waits_for_what_changes() -> None:
    record = Record()

    async def scenario() -> None:
        waiting = asyncio.create_task(record.until(lambda: bool(record.quarantined), 30.0))
        await asyncio.sleep(0)
        record.notify(AdapterQuarantined("a", "it was alone"))
        assert await waiting
        assert not await record.until(lambda: False, 0.0)

    asyncio.run(scenario())
