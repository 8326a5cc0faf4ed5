"""A block that the consensus client leaves again: the next one stands on its parent, and it is still known."""

from verifier.demo.beacon_node import BeaconNode


def test_a_dropped_head_is_of_no_later_chain_and_still_known() -> None:
    node = BeaconNode(0, seconds_per_slot=4, slots_per_epoch=8)
    first = node.add(7, b"\1" * 32)
    dropped = node.add(8, b"\2" * 32)
    node.drop_head()
    assert node.head == first
    next_one = node.add(9, b"\3" * 32)
    assert next_one.parent == first.root
    assert node.target(9) == first  # the epoch's first slot is empty now
    assert node.block(dropped.root) == dropped
