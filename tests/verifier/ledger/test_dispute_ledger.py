"""What is kept of disputes: the same by the fake and by the file, and there after a restart."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.ledger.dispute_examples import (
    NAMES,
    TEXT,
    TIMES,
    block,
    disputes,
    few_blocks,
    quarantines,
    rollbacks,
    statement,
    statements,
)
from tests.verifier.ledger.writer import GENESIS
from verifier.domain.block import BlockReference
from verifier.domain.dispute import Conclusion, Dispute
from verifier.domain.rollback import Rollback, RollbackStep
from verifier.domain.vote import VoteKind
from verifier.ledger.dispute_ledger import (
    DisputeLedger,
    FakeDisputeLedger,
    Quarantine,
    Release,
    StatementLedger,
    named,
)
from verifier.ledger.sqlite import SqliteLedger


class Kept(StatementLedger, DisputeLedger, Protocol):
    """Both seams at once."""


Change = Callable[[Kept], object]
BLOCK_HASHES = [block(number).hash for number in (1, 2, 3)]
OPEN = Dispute("1-00000000", block(1), 10.0, 610.0, "revm says INVALID", (statement("revm"),))


def over(disputed: BlockReference) -> Dispute:
    """The same dispute over another block."""
    return replace(OPEN, block=disputed, statements=(replace(statement("revm"), block=disputed),))


@pytest.fixture(params=["fake", "file"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    if request.param == "fake":
        yield FakeDisputeLedger()
    else:
        with SqliteLedger(tmp_path / "ledger.db", 1, GENESIS) as opened:
            yield opened


def everything(kept: Kept) -> Sequence[object]:
    """All that can be read out of it."""
    said = [kept.statements(each) for each in BLOCK_HASHES]
    return [*said, kept.disputes(), kept.quarantines(), kept.releases(), kept.rollbacks()]


changes: st.SearchStrategy[Change] = st.one_of(
    st.lists(statements, max_size=3).map(lambda each: lambda kept: kept.state(*each)),
    TIMES.map(lambda each: lambda kept: kept.expire(each)),
    disputes(few_blocks).map(lambda each: lambda kept: kept.put_dispute(each)),
    quarantines.map(lambda each: lambda kept: kept.quarantine(each)),
    st.tuples(NAMES, TEXT, TIMES).map(lambda each: lambda kept: kept.release(*each)),
    rollbacks.map(lambda each: lambda kept: kept.put_rollback(each)),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(changes, max_size=12))
def test_the_fake_and_the_file_keep_the_same_also_after_a_restart(happening: list[Change]) -> None:
    fake = FakeDisputeLedger()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        with SqliteLedger(path, 1, GENESIS) as file:
            for change in happening:
                assert change(fake) == change(file)
            assert everything(file) == everything(fake)
        with SqliteLedger(path, 1, GENESIS, read_only=True) as file:
            assert everything(file) == everything(fake)


def test_the_same_word_is_kept_once_and_the_order_stays(ledger: Kept) -> None:
    first, second = statement("revm"), statement("geth")
    ledger.state(first, second)
    ledger.state(replace(first, at=9.0, summary="once more"), statement("revm", kind=VoteKind.INVALID))
    assert ledger.statements(block(1).hash) == [first, second, statement("revm", kind=VoteKind.INVALID)]
    assert ledger.statements(block(2).hash) == []


def test_old_statements_go_but_of_an_open_dispute(ledger: Kept) -> None:
    ledger.state(
        statement(number=1, at=1.0), statement(number=2, at=1.0), statement(number=2, kind=VoteKind.INVALID, at=5.0)
    )
    ledger.put_dispute(OPEN)
    ledger.expire(5.0)
    assert [len(ledger.statements(each)) for each in BLOCK_HASHES[:2]] == [1, 1]
    ledger.put_dispute(replace(OPEN, conclusion=Conclusion.UNRESOLVED, concluded_at=610.0, reason="nothing decided"))
    ledger.expire(5.0)
    assert ledger.statements(block(1).hash) == []
    assert ledger.disputes()[0].statements == OPEN.statements


def test_a_dispute_is_kept_as_it_is_last_the_oldest_first(ledger: Kept) -> None:
    other = replace(over(block(2)), id="2-00000000", opened_at=5.0)
    concluded = replace(OPEN, conclusion=Conclusion.VALID, concluded_at=20.0, reason="3 of 4", evidence="bundle")
    for each in (OPEN, other, concluded):
        ledger.put_dispute(each)
    assert ledger.disputes() == [other, concluded]


def test_two_blocks_whose_disputes_have_one_name(ledger: Kept) -> None:
    """Eight digits of a hash can be had by trying: whoever does must not make a dispute disappear."""
    other = over(replace(OPEN.block, hash=OPEN.block.hash[:16] + b"\x99" * 16))
    ledger.put_dispute(OPEN)
    ledger.put_dispute(other)
    assert ledger.disputes() == [OPEN, other]


def test_quarantine_and_release(ledger: Kept) -> None:
    first = Quarantine("revm", "two words on block 1", 10.0, "1-00000000")
    ledger.quarantine(first)
    ledger.quarantine(Quarantine("revm", "once more", 11.0))
    assert ledger.quarantines() == [first]
    assert named(ledger.quarantines()) == {"revm"}
    assert not ledger.release("geth", "not there", 12.0)
    assert ledger.release("revm", "version 2 has the fix", 13.0)
    assert not ledger.release("revm", "twice", 14.0)
    assert ledger.quarantines() == []
    again = Quarantine("revm", "it has not", 15.0)
    ledger.quarantine(again)
    assert ledger.quarantines() == [again]
    assert ledger.releases() == [Release(first, "version 2 has the fix", 13.0)]


def test_rollbacks_until_they_are_done(ledger: Kept) -> None:
    first = Rollback("1-00000000", block(1), None, RollbackStep.DECIDED, 1.0)
    second = Rollback("", block(2), block(1), RollbackStep.MARKED, 2.0)
    for each in (first, second, replace(first, step=RollbackStep.KEPT, target=block(3), at=3.0)):
        ledger.put_rollback(each)
    assert ledger.rollbacks() == [replace(first, step=RollbackStep.KEPT, target=block(3), at=3.0), second]
    ledger.put_rollback(replace(first, step=RollbackStep.DONE))
    assert ledger.rollbacks() == [second]


def test_the_fake_fails_when_it_is_told_to() -> None:
    fake = FakeDisputeLedger(fail_with=OSError("no room"))
    attempts: list[Change] = [
        lambda kept: kept.state(statement()),
        lambda kept: kept.statements(bytes(32)),
        lambda kept: kept.disputes(),
        lambda kept: kept.releases(),
    ]
    for each in attempts:
        with pytest.raises(OSError, match="no room"):
            each(fake)
