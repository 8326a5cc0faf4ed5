"""The bug that is put into the embedded client: there while it is active, and only where EXP is used."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from verifier.demo.genesis import private_genesis
from verifier.demo.private_chain import PrivateChain
from verifier.demo.wrong_power import WrongPower
from verifier.executors.stateful.embedded.building import BlockPlan
from verifier.services.conformance.loaders.genesis import parse_genesis
from witness.header import decode_block_header

GENESIS_TIME = 1_700_000_000


@pytest.fixture
def bug() -> WrongPower:
    return WrongPower()


@pytest.fixture
def chain(tmp_path: Path, bug: WrongPower) -> Iterator[PrivateChain]:
    with PrivateChain(tmp_path, parse_genesis(private_genesis("osaka", GENESIS_TIME)), bug.parts) as chain:
        yield chain


def build(chain: PrivateChain, slot: int) -> bytes:
    return chain.build(chain.head().hash, BlockPlan(GENESIS_TIME + 12 * slot))[0]


def test_with_the_bug_it_builds_accepts_and_tells_what_no_other_client_would(
    chain: PrivateChain, bug: WrongPower
) -> None:
    (tripping,) = bug.transactions()
    assert chain.add_transaction(tripping)
    bug.active = True
    block = build(chain, 1)
    assert chain.import_block(block).invalid is None
    (told,) = chain.retell(decode_block_header(block).hash)
    (at,) = [index for index, step in enumerate(told.steps) if step["op"] == "EXP"]
    assert [int(each, 16) for each in told.steps[at]["stack"]] == [2, 3]
    assert [int(each, 16) for each in told.steps[at + 1]["stack"]] == [10]
    assert told.created


def test_without_the_bug_the_block_is_invalid(tmp_path: Path, chain: PrivateChain, bug: WrongPower) -> None:
    chain.add_transaction(bug.transactions()[0])
    bug.active = True
    block = build(chain, 1)
    with PrivateChain(tmp_path / "other", chain.genesis) as honest:
        invalid = honest.import_block(block).invalid
    assert invalid is not None
    assert "state root" in invalid.lower().replace("_", " ")
    bug.active = False
    right = build(chain, 1)
    assert decode_block_header(right).state_root != decode_block_header(block).state_root
    assert chain.import_block(right).invalid is None


def test_what_is_left_comes_back_into_the_pool(chain: PrivateChain, bug: WrongPower) -> None:
    (tripping,) = bug.transactions()
    chain.add_transaction(tripping)
    genesis = chain.head().hash
    first, no_block = build(chain, 1), bytes(32)
    chain.import_block(first)
    chain.choose(decode_block_header(first).hash, no_block, no_block)
    assert chain.pool == []
    empty = build(chain, 2)
    chain.import_block(empty)
    chain.choose(decode_block_header(empty).hash, no_block, no_block)
    chain.choose(genesis, no_block, no_block)  # two blocks back
    assert chain.pool == [tripping]
    assert chain.numbered(1) is None
    chain.choose(decode_block_header(empty).hash, no_block, no_block)  # and two forward
    assert chain.pool == []
