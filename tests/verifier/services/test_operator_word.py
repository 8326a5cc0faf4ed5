"""What an operator says of a block: kept with its reason, found by any clear name, and never over an INVALID."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verifier.services.observing import Recorder
from verifier.domain.block import BlockReference
from verifier.domain.dispute import Conclusion, Dispute
from verifier.domain.event import RolledBack
from verifier.domain.status import BlockStatus, TrackedBlock
from verifier.errors import UsageError
from verifier.executors.stateful.mover import FakeMover
from verifier.ledger.dispute_ledger import Quarantine
from verifier.ledger.errors import ForeignLedgerError, LedgerError, LedgerInUseError
from verifier.ledger.sqlite import SqliteLedger, read_identity
from verifier.services.chain import Chain
from verifier.services.operator_word import find_block, reject, release, trust
from verifier.services.rollback import FakeEmbeddedChain, FakeShelf, Rollbacks

GENESIS = bytes([7]) * 32
AT = 1_800_000_000.5


def tracked(
    number: int, byte: int, status: BlockStatus = BlockStatus.AVAILABLE, *, parent: int = 0, anchor: bool = False
) -> TrackedBlock:
    block = BlockReference(5, number, bytes([byte]) * 32)
    return TrackedBlock(block, bytes([parent]) * 32, bytes(32), number, status, "seen", anchor=anchor)


def test_a_trusted_block_is_an_anchor_and_why_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with SqliteLedger(path, 5, GENESIS) as ledger:
        ledger.put(tracked(1, 0xAA), tracked(2, 0xBB))
        trusted = trust(ledger, "0xaaaaaaaa", "compared it\nwith two explorers", AT)
    assert (trusted.status, trusted.anchor) == (BlockStatus.VERIFIED, True)
    with SqliteLedger(path, *read_identity(path), read_only=True) as ledger:
        assert find_block(ledger, "1") == trusted
        assert ledger.words() == [(AT, bytes([0xAA]) * 32, "trust: compared it with two explorers")]
        assert "two explorers" in trusted.why


def test_no_word_makes_an_invalid_block_good(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "ledger.sqlite", 5, GENESIS) as ledger:
        ledger.put(tracked(1, 0xAA, BlockStatus.INVALID))
        with pytest.raises(UsageError, match=r"is INVALID .* which is final"):
            trust(ledger, "1", "I know better", AT)
        assert not ledger.words()


def test_a_rejected_block_is_invalid_with_all_that_stand_on_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with SqliteLedger(path, 5, GENESIS) as ledger:
        ledger.put(
            tracked(1, 0xAA, BlockStatus.VERIFIED, anchor=True),
            tracked(2, 0xBB, BlockStatus.DISPUTED, parent=0xAA),
            tracked(3, 0xCC, BlockStatus.VERIFIED, parent=0xBB),
            tracked(2, 0xDD, BlockStatus.VERIFIED, parent=0xAA),
        )
        assert reject(ledger, "bbbbbbbb", "all clients but\nmine refuse it", AT).status is BlockStatus.INVALID
    with SqliteLedger(path, *read_identity(path), read_only=True) as ledger:
        statuses = {each.block.hash[0]: each.status for each in ledger.blocks()}
        assert ledger.words() == [(AT, bytes([0xBB]) * 32, "reject: all clients but mine refuse it")]
        assert "an operator rejects it" in find_block(ledger, "cccccccc").why
    good, bad = BlockStatus.VERIFIED, BlockStatus.INVALID
    assert statuses == {0xAA: good, 0xBB: bad, 0xCC: bad, 0xDD: good}


@pytest.mark.parametrize("ended_after", ["add_word", "put_dispute", "put_rollback", "put"])
def test_what_a_person_rejects_is_gone_back_from_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended_after: str
) -> None:
    """Wherever the command ends: a word alone brings nothing about; a dispute that is ended does, at a start."""
    path, bad = tmp_path / "ledger.sqlite", bytes([0xBB]) * 32
    mover = FakeMover(bytes([0xCC]) * 32, lambda head, _: head != bytes([0xAA]) * 32)
    embedded = FakeEmbeddedChain(bytes([0xCC]) * 32)
    disputed = tracked(2, 0xBB, BlockStatus.DISPUTED, parent=0xAA)
    with SqliteLedger(path, 5, GENESIS) as ledger:
        ledger.put(
            tracked(1, 0xAA, BlockStatus.VERIFIED, anchor=True),
            disputed,
            tracked(3, 0xCC, BlockStatus.VERIFIED, parent=0xBB),
        )
        ledger.put_dispute(Dispute("2-bbbbbbbb", disputed.block, 1.0, 9.0, "why"))
        step = getattr(ledger, ended_after)

        def ended(*given: object) -> None:
            step(*given)
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(ledger, ended_after, ended)
            with pytest.raises(KeyboardInterrupt):
                reject(ledger, "bbbbbbbb", "all refuse it", AT)
    with SqliteLedger(path, 5, GENESIS) as ledger:
        recorder = Recorder()
        chain = Chain(ledger, recorder)
        shelf = FakeShelf({bad})
        evidence = tmp_path / "evidence"
        rollbacks = Rollbacks(chain, ledger, shelf, embedded, mover, recorder, evidence=evidence)
        asyncio.run(rollbacks.resume())
        chain.close()
        (dispute,) = ledger.disputes()
        assert dispute.conclusion is (None if ended_after == "add_word" else Conclusion.INVALID)
        if ended_after in ("add_word", "put_dispute"):
            assert not recorder.of(RolledBack)
            return
        (event,) = recorder.of(RolledBack)
        assert (event.rollback.dispute, event.rollback.moved) == ("", "forkchoice")
        assert event.rollback.note == "an operator rejects it: all refuse it"
        assert event.rollback.target == BlockReference(5, 1, bytes([0xAA]) * 32)
        assert mover.head == embedded.head == bytes([0xAA]) * 32
        assert shelf.aside == {bad}
        assert {each.status for each in ledger.blocks() if each.block.number > 1} == {BlockStatus.INVALID}
        assert not ledger.rollbacks()


def test_neither_an_anchor_nor_what_is_invalid_is_rejected(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "ledger.sqlite", 5, GENESIS) as ledger:
        ledger.put(tracked(1, 0xAA, BlockStatus.VERIFIED, anchor=True), tracked(2, 0xBB, BlockStatus.INVALID))
        for name, reason in (("1", "is an anchor"), ("2", "INVALID already")):
            with pytest.raises(UsageError, match=reason):
                reject(ledger, name, "I know better", AT)
        assert not ledger.words()


def test_blocks_are_named_clearly_or_not_at_all(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "ledger.sqlite", 5, GENESIS) as ledger:
        ledger.put(tracked(1, 0xAA), tracked(1, 0xBB))
        assert find_block(ledger, "bbbbbbbbbb").block.hash == bytes([0xBB]) * 32
        for name, reason in (
            ("1", "several blocks"),
            ("9", "no such block in the ledger"),
            ("0xaa", "at least 8 digits"),
            ("cccccccc", "checkpoint"),
        ):
            with pytest.raises(UsageError, match=reason):
                find_block(ledger, name)
        with pytest.raises(UsageError, match="say why"):
            trust(ledger, "bbbbbbbb", "  ", AT)
        with pytest.raises(UsageError, match="say why"):
            reject(ledger, "bbbbbbbb", "", AT)


def test_a_ledger_in_use_is_left_alone_and_can_be_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with SqliteLedger(path, 5, GENESIS) as ledger:
        ledger.put(tracked(1, 0xAA))
        assert read_identity(path) == (5, GENESIS)
        with pytest.raises(LedgerInUseError):
            SqliteLedger(path, 5, GENESIS)
        with SqliteLedger(path, 5, GENESIS, read_only=True) as reading:
            assert find_block(reading, "1").block.number == 1


def test_what_is_no_ledger_has_no_identity(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger"):
        read_identity(tmp_path / "absent")
    (tmp_path / "empty").touch()
    with pytest.raises(ForeignLedgerError, match="not a ledger"):
        read_identity(tmp_path / "empty")
    (tmp_path / "text").write_bytes(b"no database" * 100)
    with pytest.raises(LedgerError):
        read_identity(tmp_path / "text")


@pytest.mark.parametrize(("word", "conclusion"), [(trust, Conclusion.VALID), (reject, Conclusion.INVALID)])
@pytest.mark.parametrize("before", [None, Conclusion.UNRESOLVED])
def test_a_word_on_a_block_ends_the_dispute_over_it(
    tmp_path: Path, word: Callable[..., TrackedBlock], conclusion: Conclusion, before: Conclusion | None
) -> None:
    block, other = tracked(1, 0xAA, BlockStatus.DISPUTED), tracked(2, 0xBB)
    with SqliteLedger(tmp_path / "ledger.sqlite", 5, GENESIS) as ledger:
        ledger.put(block, other)
        for each in (block, other):
            at = None if before is None else 9.0
            ledger.put_dispute(
                Dispute(f"{each.block.number}-x", each.block, 1.0, 9.0, "why", (), frozenset(), "", before, at)
            )
        word(ledger, "aaaaaaaa", "the client teams agree", AT)
        ended, left = ledger.disputes()
    assert (ended.conclusion, ended.concluded_at) == (conclusion, AT)
    assert "the client teams agree" in ended.reason
    assert left.conclusion is before


def test_an_adapter_is_released_with_a_reason_or_not_at_all(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "ledger.sqlite", 5, GENESIS) as ledger:
        with pytest.raises(UsageError, match=r"revm: not in quarantine \(nobody is\)"):
            release(ledger, "revm", "repaired", AT)
        ledger.quarantine(Quarantine("revm", "two words on block 7", 1.0))
        with pytest.raises(UsageError, match="--why"):
            release(ledger, "revm", " \n", AT)
        with pytest.raises(UsageError, match=r"geth: not in quarantine \(there is: revm\)"):
            release(ledger, "geth", "repaired", AT)
        assert release(ledger, "revm", "repaired\nindeed", AT).why == "two words on block 7"
        assert not ledger.quarantines()
        (kept,) = ledger.releases()
        assert (kept.why, kept.at) == ("repaired indeed", AT)
