"""Whatever happens, and in whatever order: nothing is verified that no quorum stands for, nothing invalid unsaid."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.verifier.services.judging_setting import Court, Gated, Setting, honest, lying, policy_of, run, silent
from verifier.domain.dispute import Conclusion
from verifier.domain.gate import GateMode
from verifier.domain.quorum import Verdict
from verifier.domain.result import BrokenRule, Outcome
from verifier.domain.status import BlockStatus
from verifier.domain.vote import VoteKind
from verifier.executors.stateless.base import ExecutionRequest
from verifier.ledger.base import FakeLedger
from verifier.ledger.errors import LedgerFullError

BLOCKS = 5
STEPS = 30
ADAPTERS = (("geth", "geth"), ("revm", "revm"), ("revm-elsewhere", "revm"), ("ethrex", "ethrex"))
LATE = "eels"
FULL = LedgerFullError("ledger.db: cannot be written: database or disk is full")


def breaking(_: ExecutionRequest) -> Outcome:
    return BrokenRule("base_fee", "8, not 7")


class History:
    """One run's events, drawn from `random`, and what must hold after each of them."""

    def __init__(self, random: Random, ledger: FakeLedger, rejected: set[bytes], court: Court) -> None:
        """rejected: grows by what the execution client calls INVALID that is not verified."""
        self.random, self.ledger, self.rejected, self.court = random, ledger, rejected, court
        names = random.sample(ADAPTERS, random.randint(2, len(ADAPTERS)))
        self.live = [Gated(name, lineage, self.answer) for name, lineage in names]
        kept = court.ledger.kept.values()
        self.ended = {each.block.hash: each.conclusion for each in kept if each.conclusion is not None}
        self.elsewhere = set(self.ended)  # by the rule of the run before
        self.late = [Gated(LATE, LATE, self.answer)] if random.random() < 0.5 else []

    def answer(self, request: ExecutionRequest) -> Outcome:
        return self.random.choice([honest, honest, honest, lying, silent, breaking])(request)

    async def happen(self, setting: Setting) -> None:
        for _ in range(STEPS):
            number = self.random.randint(1, BLOCKS)
            await self.random.choice([self.payload, self.payload, self.adapters, self.disk, self.later, self.turn])(
                setting, number
            )
            self.check(setting)
        await self.settle(setting)

    async def payload(self, setting: Setting, number: int) -> None:
        valid = self.random.random() < 0.9
        known = setting.chain.tracked(setting.blocks.hash(number))
        if not valid and (known is None or known.status is not BlockStatus.VERIFIED):
            self.rejected.add(setting.blocks.hash(number))
        setting.payload(number, given=self.random.random() < 0.5, valid=valid)

    async def adapters(self, _: Setting, __: int) -> None:
        adapter = self.random.choice([*self.live, *self.late])
        (adapter.opened.clear if self.random.random() < 0.3 else adapter.opened.set)()

    async def disk(self, _: Setting, __: int) -> None:
        self.ledger.fail_with = FULL if self.random.random() < 0.5 else None
        self.court.ledger.fail_with = self.ledger.fail_with  # they are one file

    async def later(self, setting: Setting, number: int) -> None:
        setting.clock.now += self.random.choice([1, 13, 100])
        self.court.wall.now += self.random.choice([1, 13, 100])
        setting.disputes.expire()
        setting.judge.demand(setting.blocks.hash(number))

    async def turn(self, setting: Setting, number: int) -> None:
        match self.random.randrange(5):
            case 0:
                setting.judge.finalized(setting.blocks.hash(number))
            case 1:
                setting.judge.identified(self.random.choice(["geth", "revm", None]))
            case 2:
                setting.source.absent ^= {setting.blocks.hash(number)}
            case 3:
                await self.settle(setting)
            case _:
                for _ in range(self.random.randint(1, 9)):
                    await asyncio.sleep(0)

    async def settle(self, setting: Setting) -> None:
        """Everybody answers."""
        for each in (*self.live, *self.late):
            each.opened.set()
        self.ledger.fail_with = self.court.ledger.fail_with = None
        await setting.settled()
        self.check(setting)

    def check(self, setting: Setting) -> None:
        """What is seen verified, a quorum or a dispute stands for; what is invalid, the executor or a dispute says."""
        for block_hash, seen in setting.chain.blocks.items():
            conclusion = setting.disputes.conclusion(block_hash)
            if seen.status is BlockStatus.VERIFIED and not seen.anchor and conclusion is not Conclusion.VALID:
                decision, votes, _ = self.ledger.votes[block_hash][-1]
                assert decision.verdict is Verdict.ATTEST
                against = {vote.adapter for vote in votes if vote.kind is VoteKind.INVALID}
                assert LATE not in against - setting.disputes.quarantined
            if seen.status is BlockStatus.INVALID:
                at = seen
                while at.block.hash not in self.rejected and not self.concluded_invalid(setting, at.block.hash):
                    at = setting.chain.blocks[at.parent_hash]
        self.check_words(setting)

    def concluded_invalid(self, setting: Setting, block_hash: bytes) -> bool:
        return setting.disputes.conclusion(block_hash) is Conclusion.INVALID

    def check_words(self, setting: Setting) -> None:
        """No conclusion is another one later, and none is there that the statements do not bring about."""
        rule = setting.disputes.rule
        for block_hash in setting.chain.blocks:
            dispute = setting.disputes.on(block_hash)
            if dispute is None or dispute.conclusion is None:
                continue
            assert self.ended.setdefault(block_hash, dispute.conclusion) is dispute.conclusion
            kind = {Conclusion.VALID: VoteKind.VALID, Conclusion.INVALID: VoteKind.INVALID}.get(dispute.conclusion)
            if kind is None or block_hash in self.elsewhere or dispute.reason.startswith("ancestor "):
                continue
            said = {each.lineage for each in dispute.statements if each.kind is kind}
            assert len(said) >= (rule.valid if kind is VoteKind.VALID else rule.invalid)


@pytest.mark.parametrize("seed", range(24))
def test_nothing_is_let_out_without_a_quorum_whatever_happens(seed: int, tmp_path: Path) -> None:
    """Seeds and no strategies: in which order tasks and threads go on is up to the machine."""
    random, ledger, rejected = Random(seed), FakeLedger(), set[bytes]()
    mode = random.choice([GateMode.EVERY_BLOCK, GateMode.EPOCH_TARGET])
    court = Court(disputed=random.random() < 0.7)
    for _ in range(2):  # the second time after a restart
        history = History(random, ledger, rejected, court)
        m = len({"geth", *(each.lineage for each in history.live)})
        run(
            history.happen,
            tmp_path,
            history.live,
            late=history.late,
            mode=mode,
            length=BLOCKS,
            ledger=ledger,
            policy=policy_of(history.live, required=random.randint(2, m), rejecting=random.randint(1, m)),
            deadline=random.choice([0.0, 60.0]),
            court=court,
        )
