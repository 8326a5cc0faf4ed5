"""What stands on an invalid block, and where to go back to."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.domain.block_trees import Tree, histories, name, tracked
from verifier.domain.branch import dead_branch, last_standing_ancestor
from verifier.domain.standing import Standing, standing
from verifier.domain.status import Anchored, BlockEvent, BlockStatus, Concluded, advance


@given(histories(), st.data())
def test_of_any_tree(history: tuple[Tree, list[tuple[bytes, BlockEvent]]], data: st.DataObject) -> None:
    tree, events = history
    for block_hash, event in events:
        tree.apply(block_hash, event)
    chosen = data.draw(st.sampled_from(sorted(tree.blocks)))

    def stands(block_hash: bytes) -> bool:
        return standing(tree.blocks, block_hash).standing is Standing.VERIFIED

    dead = {each.hash for each in dead_branch(tree.blocks, chosen)}
    for each in tree.blocks:
        path = [at.block.hash for at in tree.path(each)]
        between = path[: path.index(chosen)] if chosen in path else []
        invalid = all(tree.blocks[at].status is BlockStatus.INVALID for at in between)
        assert (each in dead) == (chosen in path and invalid)
    target = last_standing_ancestor(tree.blocks, chosen, stands)
    below = [at.block for at in tree.path(chosen)[1:]]
    if target is not None:
        assert target in below
        assert stands(target.hash)
        assert not any(stands(each.hash) for each in below[: below.index(target)])
    elif tree.blocks[chosen].anchor and tree.blocks[chosen].status is BlockStatus.VERIFIED:
        pass  # nothing below an anchor is looked at
    else:
        assert not any(stands(each.hash) for each in below)


def test_an_unknown_block_has_neither() -> None:
    assert dead_branch({}, name(1)) == ()
    assert last_standing_ancestor({}, name(1), lambda _: True) is None


def test_what_a_person_anchored_on_it_is_not_dead() -> None:
    bad = advance(tracked(2, 1, 8), Concluded(valid=False, why="a dispute"))
    anchored = advance(tracked(3, 2, 9), Anchored("an operator"))
    above = replace(tracked(4, 3, 10), status=BlockStatus.INVALID)
    blocks = {each.block.hash: each for each in (bad, anchored, above)}
    assert [each.number for each in dead_branch(blocks, bad.block.hash)] == [8]


def test_a_block_that_claims_another_number_stands_on_nothing() -> None:
    bad = advance(tracked(2, 1, 8), Concluded(valid=False, why="a dispute"))
    odd = replace(tracked(3, 2, 11), status=BlockStatus.INVALID)
    blocks = {each.block.hash: each for each in (bad, odd)}
    assert dead_branch(blocks, bad.block.hash) == (bad.block,)
