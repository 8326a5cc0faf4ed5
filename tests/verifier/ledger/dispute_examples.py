"""Values that the dispute tables hold: drawn ones, and one of each for tests that need just one."""

from hypothesis import strategies as st

from verifier.domain.block import BlockReference
from verifier.domain.dispute import Conclusion, Dispute
from verifier.domain.result import Mode
from verifier.domain.rollback import Rollback, RollbackStep
from verifier.domain.statement import Statement
from verifier.domain.vote import VoteKind
from verifier.ledger.dispute_ledger import Quarantine

NUMBERS = st.integers(0, (1 << 63) - 1)
TIMES = st.floats(0, 1e10)
TEXT = st.text(max_size=12)
NAMES = st.sampled_from(["geth", "revm", "eels"])
HASHES = st.binary(min_size=32, max_size=32)
KINDS = st.sampled_from([VoteKind.VALID, VoteKind.INVALID])


def block(number: int) -> BlockReference:
    """A block of chain 1 with this number."""
    return BlockReference(1, number, number.to_bytes(32, "big"))


def statement(adapter: str = "geth", number: int = 1, kind: VoteKind = VoteKind.VALID, at: float = 1.0) -> Statement:
    """A statement whose digest is its kind's."""
    return Statement(block(number), adapter, adapter, Mode.PROOF, kind, kind.encode().ljust(32), "", at)


blocks = st.builds(BlockReference, st.just(1), NUMBERS, HASHES)
few_blocks = st.integers(1, 3).map(block)
# Few values for each column, so that the same word comes twice.
statements = st.builds(
    Statement,
    few_blocks,
    NAMES,
    NAMES,
    st.sampled_from(Mode),
    KINDS,
    st.sampled_from([bytes(32), b"\x01" * 32]),
    TEXT,
    TIMES,
    TEXT,
)


@st.composite
def disputes(draw: st.DrawFn, of: st.SearchStrategy[BlockReference] = blocks) -> Dispute:
    """A dispute with statements on its block, open or concluded."""
    disputed = draw(of)
    said = st.builds(Statement, st.just(disputed), TEXT, TEXT, st.sampled_from(Mode), KINDS, HASHES, TEXT, TIMES, TEXT)
    conclusion = draw(st.none() | st.sampled_from(Conclusion))
    return Dispute(
        draw(TEXT),
        disputed,
        draw(TIMES),
        draw(TIMES),
        draw(TEXT),
        tuple(draw(st.lists(said, max_size=3))),
        draw(st.frozensets(TEXT, max_size=3)),
        draw(TEXT),
        conclusion,
        None if conclusion is None else draw(TIMES),
        draw(TEXT),
    )


quarantines = st.builds(Quarantine, NAMES, TEXT, TIMES, TEXT)
rollbacks = st.builds(Rollback, TEXT, few_blocks, st.none() | blocks, st.sampled_from(RollbackStep), TIMES, TEXT, TEXT)
