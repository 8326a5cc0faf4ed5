"""Where blocks stand: nothing stands on what is invalid or undecided, in whatever order things happened."""

from hypothesis import given, settings

from tests.verifier.domain.block_trees import OWN_EVENTS, Tree, histories, name, tracked
from verifier.domain.quorum import Verdict
from verifier.domain.standing import Standing, latest_valid_ancestor, standing
from verifier.domain.status import (
    Anchored,
    BlockEvent,
    BlockStatus,
    Concluded,
    ExecutorAnswered,
    ExecutorStatus,
    Judged,
    advance,
)

History = tuple[Tree, list[tuple[bytes, BlockEvent]]]
ATTEST = Judged(Verdict.ATTEST, "2 of 3")


def line(length: int) -> Tree:
    """An anchored block 1 and `length` blocks on it, each on the one before."""
    blocks = {name(1): advance(tracked(1, 0, 7), Anchored("configured"))}
    for index in range(2, length + 2):
        blocks[name(index)] = tracked(index, index - 1, 6 + index)
    return Tree(blocks)


def latest_valid(tree: Tree, block_hash: bytes) -> bytes | None:
    def stands(each: bytes) -> bool:
        return standing(tree.blocks, each).standing is Standing.VERIFIED

    return latest_valid_ancestor(tree.blocks, block_hash, stands)


def told(history: History) -> Tree:
    tree, steps = history
    for block_hash, event in steps:
        tree.apply(block_hash, event)
    return tree


@settings(max_examples=300)
@given(histories())
def test_what_stands_verified_has_nothing_else_above_its_anchor(history: History) -> None:
    tree = told(history)
    for block_hash in tree.blocks:
        if standing(tree.blocks, block_hash).standing is Standing.VERIFIED:
            path = tree.path(block_hash)
            anchors = [index for index, each in enumerate(path) if each.anchor]
            assert anchors
            assert {each.status for each in path[: anchors[0] + 1]} == {BlockStatus.VERIFIED}


@settings(max_examples=300)
@given(histories(OWN_EVENTS))
def test_no_order_of_events_lifts_a_block_above_its_ancestors(history: History) -> None:
    tree = told(history)
    for block_hash in tree.blocks:
        report = standing(tree.blocks, block_hash)
        statuses = [each.status for each in tree.path(block_hash)]
        if BlockStatus.INVALID in statuses:
            assert report.standing is Standing.INVALID
        elif set(statuses) == {BlockStatus.VERIFIED}:
            assert report.standing is Standing.VERIFIED
        else:
            assert report.standing is Standing.UNDECIDED
            assert report.disputed is (BlockStatus.DISPUTED in statuses)


@given(histories())
def test_invalid_stays_for_all_descendants(history: History) -> None:
    tree, steps = history
    fallen: set[bytes] = set()
    for block_hash, event in steps:
        tree.apply(block_hash, event)
        # What a person anchors above an invalid block leaves it; nothing else does.
        anchored = {each for each in fallen if any(at.anchor for at in tree.path(each))}
        fallen -= anchored - {each for each in fallen if tree.blocks[each].status is BlockStatus.INVALID}
        assert all(standing(tree.blocks, each).standing is Standing.INVALID for each in fallen)
        fallen |= {each for each in tree.blocks if standing(tree.blocks, each).standing is Standing.INVALID}


@given(histories())
def test_the_decisive_block_is_why(history: History) -> None:
    tree = told(history)
    for block_hash in tree.blocks:
        report = standing(tree.blocks, block_hash)
        assert report.own is tree.blocks[block_hash].status
        decisive = tree.blocks.get(report.decisive)
        if report.standing is Standing.INVALID:
            assert decisive is not None
            assert decisive.status is BlockStatus.INVALID
        elif report.standing is Standing.UNDECIDED and decisive is not None:
            assert decisive.status not in (BlockStatus.VERIFIED, BlockStatus.INVALID)


@given(histories())
def test_latest_valid_is_an_ancestor_that_stands(history: History) -> None:
    tree = told(history)
    for block_hash in tree.blocks:
        latest = latest_valid(tree, block_hash)
        if latest is not None:
            assert standing(tree.blocks, latest).standing is Standing.VERIFIED
            assert latest in {each.block.hash for each in tree.path(block_hash)[1:]}


def test_unknown() -> None:
    report = standing({}, name(1))
    assert (report.standing, report.own, report.decided) == (Standing.UNKNOWN, None, False)


def test_without_an_anchor_nothing_stands() -> None:
    blocks = {name(2): advance(tracked(2, 1, 8), ATTEST)}
    report = standing(blocks, name(2))
    assert (report.standing, report.decisive) == (Standing.UNDECIDED, name(1))
    assert "not known, and no anchor" in report.why


def test_the_lowest_undecided_ancestor_is_waited_for() -> None:
    tree = line(3)
    tree.apply(name(3), ATTEST)
    report = standing(tree.blocks, name(4))
    assert (report.standing, report.decisive) == (Standing.UNDECIDED, name(2))
    assert report.why.startswith("ancestor 8 (0x00000000…): received")


def test_a_disputed_block_is_named_although_older_ones_are_undecided() -> None:
    tree = line(5)
    for index in (4, 5):
        tree.apply(name(index), Judged(Verdict.REJECT, "INVALID by revm"))
    for index, decisive in ((3, 2), (4, 4), (5, 4), (6, 4)):
        report = standing(tree.blocks, name(index))
        assert (report.standing, report.decisive) == (Standing.UNDECIDED, name(decisive))
        assert report.disputed is (index >= 4)
        assert ("INVALID by revm" in report.why) is (index >= 4)


def test_a_parent_of_another_number_is_none() -> None:
    # Its header may claim any number: it is in no chain, also where the parent's hash is one that stands.
    tree = line(1)
    tree.blocks[name(9)] = advance(tracked(9, 1, 12), ATTEST)
    assert standing(tree.blocks, name(9)).standing is Standing.UNDECIDED


def test_a_circle_read_from_a_damaged_file_ends() -> None:
    blocks = {name(1): tracked(1, 2, 7), name(2): tracked(2, 1, 7)}
    assert standing(blocks, name(1)).standing is Standing.UNDECIDED
    assert latest_valid(Tree(blocks), name(1)) is None


def test_a_disputed_anchor_does_not_stand() -> None:
    tree = line(1)
    tree.apply(name(2), ATTEST)
    tree.apply(name(1), ExecutorAnswered(ExecutorStatus.INVALID))
    report = standing(tree.blocks, name(2))
    assert (report.standing, report.disputed) == (Standing.UNDECIDED, True)


def test_latest_valid_hash() -> None:
    tree = line(4)
    assert latest_valid(tree, name(5)) is None
    tree.apply(name(2), ATTEST)
    tree.apply(name(4), Concluded(False, "traces"))
    assert latest_valid(tree, name(5)) is None, "block 3 is undecided: naming it would call it VALID"
    tree.apply(name(3), ATTEST)
    assert latest_valid(tree, name(5)) == name(3)
    tree.apply(name(3), Concluded(False, "traces"))
    assert latest_valid(tree, name(5)) == name(2)


def test_latest_valid_hash_where_only_the_executor_says_invalid() -> None:
    tree = line(2)
    for index in (2, 3):
        tree.apply(name(index), ATTEST)
    tree.apply(name(3), ExecutorAnswered(ExecutorStatus.INVALID))
    assert tree.blocks[name(3)].status is BlockStatus.DISPUTED
    assert latest_valid(tree, name(3)) == name(2)
