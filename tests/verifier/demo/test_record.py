"""What is kept of the events of a demonstration."""

from tests.verifier.domain.builders import vote
from verifier.demo.record import GateAnswer, Record
from verifier.domain.block import BlockReference
from verifier.domain.event import Alarm, GateAnswered, VerdictReached
from verifier.domain.quorum import decide, quorum_policy
from verifier.domain.vote import VoteKind

BLOCK = BlockReference(7, 1, b"\1" * 32)


def test_blocks_gates_and_alarms() -> None:
    changes: list[None] = []
    record = Record(changed=lambda: changes.append(None))
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
    assert len(changes) == 2
