"""The docket: what is not stored is neither told nor acted on, and what was told before is not told again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.verifier.services.judging_setting import RETRY_INTERVAL
from tests.verifier.services.observing import Recorder
from verifier.domain.block import BlockReference
from verifier.domain.dispute import Conclusion, Dispute, DisputeRule, open_dispute, ruled, stated, with_evidence
from verifier.domain.event import Alarm, DisputeChanged
from verifier.domain.quorum import quorum_policy
from verifier.domain.result import Mode
from verifier.domain.statement import Statement
from verifier.domain.vote import VoteKind
from verifier.ledger.dispute_ledger import FakeDisputeLedger, named
from verifier.ledger.errors import LedgerFullError
from verifier.services.docket import Docket
from verifier.services.statements import Statements

LINEAGES = {"geth": "geth", "revm": "revm", "ethrex": "ethrex"}
RULE = DisputeRule(LINEAGES, valid=2, invalid=2, seconds=600.0)
BLOCK = BlockReference(1337, 7, bytes([7]) * 32)
FULL = LedgerFullError("ledger.db: cannot be written: database or disk is full")


def said(adapter: str, kind: VoteKind) -> Statement:
    digest = bytes([kind is VoteKind.VALID]) * 32
    return Statement(BLOCK, adapter, LINEAGES[adapter], Mode.PROOF, kind, digest, "", 1.0)


def concluded() -> Dispute:
    dispute = open_dispute(BLOCK, "why", 1.0, RULE)
    for adapter, kind in (("geth", VoteKind.VALID), ("revm", VoteKind.INVALID), ("ethrex", VoteKind.VALID)):
        dispute = stated(dispute, said(adapter, kind), RULE, 2.0)
    assert dispute.conclusion is Conclusion.VALID
    return dispute


@dataclass
class Setting:
    """A docket on a ledger that lives on; acted: the conclusions that it gave to act on, each as it was stored then."""

    ledger: FakeDisputeLedger = field(default_factory=FakeDisputeLedger)
    recorder: Recorder = field(default_factory=Recorder)
    acted: list[Dispute] = field(default_factory=list)

    def __post_init__(self) -> None:
        statements = Statements(self.ledger, quorum_policy(LINEAGES), self.recorder, retry_interval=RETRY_INTERVAL)
        self.docket = Docket(self.ledger, statements, self.recorder, RETRY_INTERVAL)
        self.docket.concluded = lambda dispute: self.acted.append(self.ledger.kept[dispute.block.hash])

    def told(self) -> list[Dispute]:
        return [each.dispute for each in self.recorder.of(DisputeChanged)]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def test_a_conclusion_is_stored_with_whom_it_quarantines_then_told_then_acted_on() -> None:
    setting = Setting()

    async def scenario() -> None:
        setting.docket.put(concluded())
        assert (setting.docket.unstored, setting.told(), setting.ledger.kept) == (1, [], {})  # nobody waits for a disk
        await setting.recorder.wait(DisputeChanged)
        assert setting.acted == setting.told() == [concluded()]
        assert named(setting.ledger.quarantines()) == {"revm"}
        setting.docket.put(concluded())
        assert setting.docket.unstored == 0  # nothing changed

    run(scenario)


def test_a_failing_ledger_is_one_alarm_and_what_waited_is_stored_told_and_acted_on_once() -> None:
    setting = Setting()

    async def scenario() -> None:
        setting.ledger.fail_with = FULL
        setting.docket.put(concluded())
        await setting.recorder.wait(Alarm, lambda each: each.name == "disputes_not_stored")
        assert not setting.acted
        assert not setting.docket.is_stored(BLOCK.hash)
        setting.ledger.fail_with = None
        await setting.recorder.wait(DisputeChanged)
        assert setting.acted == [concluded()]
        assert setting.recorder.alarms().count("disputes_not_stored") == 1

    run(scenario)


def test_at_the_end_it_is_stored_and_no_longer_acted_on() -> None:
    setting = Setting()

    async def scenario() -> None:
        setting.docket.put(concluded())
        setting.docket.close()
        await asyncio.sleep(0)
        assert setting.ledger.kept[BLOCK.hash] == concluded()
        assert not setting.acted
        assert not setting.told()

    run(scenario)


def test_what_an_earlier_process_told_is_not_told_again_and_who_was_released_stays_released() -> None:
    before = Setting()

    async def first() -> None:
        before.docket.put(concluded())
        await before.recorder.wait(DisputeChanged)

    run(first)
    before.ledger.release("revm", "repaired", 3.0)
    after = Setting(before.ledger)
    replaced: list[tuple[str, str, str]] = []

    async def second() -> None:
        (dispute,) = after.docket
        after.docket.evidence_replaced = lambda dispute, older: replaced.append(
            (dispute.evidence, older, after.ledger.kept[BLOCK.hash].evidence)  # it is stored by then
        )
        after.docket.taken_up(dispute)
        after.docket.put(with_evidence(dispute, "0123456789abcdef"))
        await after.recorder.wait(DisputeChanged)
        assert not after.acted  # only the evidence is new
        assert not replaced
        after.docket.put(with_evidence(dispute, "fedcba9876543210"))
        await after.recorder.wait(DisputeChanged, lambda each: each.dispute.evidence.startswith("f"))
        assert replaced == [("fedcba9876543210", "0123456789abcdef", "fedcba9876543210")]
        assert not after.ledger.quarantines()

    run(second)


def test_a_persons_word_on_an_unresolved_one_is_acted_on_again() -> None:
    setting = Setting()

    async def scenario() -> None:
        late = stated(open_dispute(BLOCK, "why", 1.0, RULE), said("geth", VoteKind.VALID), RULE, 601.0)
        setting.docket.put(late)
        await setting.recorder.wait(DisputeChanged)
        setting.docket.put(ruled(late, Conclusion.INVALID, "a person", 700.0))
        await setting.recorder.wait(DisputeChanged, lambda each: each.dispute.conclusion is Conclusion.INVALID)
        assert [each.conclusion for each in setting.acted] == [Conclusion.UNRESOLVED, Conclusion.INVALID]

    run(scenario)
