"""Remembered standings are those that would be found anew, after any changes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.domain.block_trees import Tree, histories, name, tracked
from verifier.domain.block import BlockReference
from verifier.domain.quorum import Verdict
from verifier.domain.standing import Standing, standing
from verifier.domain.status import Anchored, BlockEvent, BlockStatus, Judged, TrackedBlock, advance
from verifier.services.standings import Standings

ATTEST = Judged(Verdict.ATTEST, "2 of 3")


@settings(max_examples=200)
@given(histories(), st.data())
def test_remembered_is_what_would_be_found_anew(
    history: tuple[Tree, list[tuple[bytes, BlockEvent]]], data: st.DataObject
) -> None:
    tree, steps = history
    hashes = sorted(tree.blocks)
    standings = Standings()
    arriving = data.draw(st.permutations(list(tree.blocks.values())))
    for arrived in arriving:
        standings.put(arrived)
        asked = data.draw(st.sampled_from(hashes))
        assert standings.report(asked) == standing(standings.blocks, asked)
    for block_hash, event in steps:
        before = {each: standings.report(each) for each in hashes}
        tree.apply(block_hash, event)
        affected = standings.put(tree.blocks[block_hash])
        for each in hashes:
            assert standings.report(each) == standing(tree.blocks, each)
            assert standings.report(each) == before[each] or each in affected


def test_removed() -> None:
    first, second = (tracked(index, index - 1, index) for index in (1, 2))
    standings = Standings([advance(first, Anchored("configured")), second])
    standings.put(advance(second, ATTEST))
    assert standings.report(name(2)).standing is Standing.VERIFIED
    assert list(standings.descendants(name(1))) == [standings.blocks[name(2)]]
    standings.remove([name(1), name(7)])
    assert standings.report(name(2)).standing is Standing.UNDECIDED
    standings.remove([name(2)])
    standings.put(first)
    assert list(standings.descendants(name(1))) == []


def test_thousands_of_undecided_blocks() -> None:
    blocks = [advance(tracked(1, 0, 1), Anchored("configured"))]
    for number in range(2, 5_000):
        reference = BlockReference(1, number, number.to_bytes(32, "big"))
        blocks.append(TrackedBlock(reference, blocks[-1].block.hash, bytes(32), number))
    standings = Standings(blocks)
    head = blocks[-1].block.hash
    assert standings.report(head).decisive == blocks[1].block.hash
    # Deep chains neither recurse nor are walked again: a change at the head touches the head alone.
    assert standings.put(advance(blocks[-1], ATTEST)) == {head}
    assert standings.put(advance(blocks[1], ATTEST)) == {each.block.hash for each in blocks[1:]}
    assert standings.report(head).decisive == blocks[2].block.hash
    assert [each.status for each in standings.descendants(blocks[-2].block.hash)] == [BlockStatus.VERIFIED]
