"""Mainnet block 22615247 with each node and each code dropped in turn: VALID where it was not needed, else ABSTAIN.

Set VERIFIER_EVERY_DROP=1 to drop every single one also for the slow clients (about 10 minutes on 2 cores).
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.running import RunningAdapters
from verifier.domain.vote import Vote, VoteKind
from witness.header import keccak256
from witness.model import BlockWitness

# Every one for the fast clients; for the slow ones a sample that still reaches every part of the sorted lists.
STRIDE = {"geth": 1, "ethrex": 1, "revm": 1, "ethereumjs": 8, "pyevm": 15, "eels": 30}


def dropped(content: BlockWitness, stride: int) -> Iterator[tuple[bytes, BlockWitness]]:
    """(hash of what is gone, the rest), every `stride`-th of nodes and codes."""
    witness = content.witness
    for field in ("state", "codes"):
        elements = list(getattr(witness, field))
        for index in range(0, len(elements), stride):
            rest = [*elements[:index], *elements[index + 1 :]]
            yield keccak256(elements[index]), replace(content, witness=replace(witness, **{field: rest}))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("adapter", STRIDE)
def test_a_dropped_node_or_code(
    adapters: RunningAdapters, prague_block: BlockWitness, tmp_path: Path, adapter: str
) -> None:
    if adapter not in adapters.names:
        pytest.skip(f"{adapter} is not available: {adapters.absent[adapter]}")
    before = adapters.processes()
    stride = 1 if os.environ.get("VERIFIER_EVERY_DROP") else STRIDE[adapter]
    needed = 0
    for hash_, content in dropped(prague_block, stride):
        (vote,) = adapters.judge(content, tmp_path, [adapter]).votes
        if vote.kind is VoteKind.VALID:
            continue
        needed += 1
        check_abstention(vote, hash_)
    assert needed  # the recorded witness is not all superfluous
    assert adapters.processes() == before


def check_abstention(vote: Vote, hash_: bytes) -> None:
    """It abstains and names what is gone."""
    assert vote.kind is VoteKind.ABSTAIN, vote
    assert (vote.reason or "").startswith("witness_insufficient: "), vote
    assert hash_.hex() in (vote.reason or ""), vote
