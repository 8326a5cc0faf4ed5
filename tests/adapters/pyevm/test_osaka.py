"""Osaka's rules in the pyevm adapter: valid blocks of the chain of our own, and each rule broken and named."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from operator import add
from pathlib import Path
from typing import Any

import pytest
import rlp

from adapters.pyevm.client import PyEvmClient
from adapters.pyevm.description import SUPPORTED_FORKS
from tests.adapters.asking import ask, vote
from tests.adapters.real_block import decoded_block, rebuilt
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.embedded.sample_chain import BPO1, CHAIN_ID, OSAKA, sample_genesis
from verifier.executors.stateful.embedded.signing import BLOB, DYNAMIC_FEE, Call, Wallet
from verifier.executors.stateful.fake import MemorySink
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from witness.header import FIELDS, keccak256
from witness.model import BlockWitness
from witness.trie import list_root

POSITION = {name: position for position, (name, _) in enumerate(FIELDS)}
CHAIN = Path(__file__).parents[3] / "fixtures" / "chain" / "chain.rlp"
BLOB_GAS = 131_072
TRANSACTIONS = 1  # their place in a block
GAS_LIMIT_CAP = 1 << 24
MOST = 32  # the block with the largest gas limit of a transaction, and with nine blobs


@pytest.fixture(scope="module")
def client() -> PyEvmClient:
    client = PyEvmClient()
    client.warm()
    return client


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> dict[int, BlockWitness]:
    """The blocks of the chain of our own with their witnesses, by number."""
    recorded = {}
    directory = tmp_path_factory.mktemp("sample")
    with EmbeddedExecutor(directory, sample_genesis(), MemorySink(), sync=False) as executor:
        for block in load_blocks(CHAIN):
            content = executor.import_block(block).witness
            assert content is not None
            recorded[content.number] = content
    return recorded


def rule_of(client: PyEvmClient, content: BlockWitness) -> pb.Rule:
    response = ask(client, SUPPORTED_FORKS, content)
    assert response.WhichOneof("outcome") == "broken_rule", response
    return response.broken_rule.rule


def quantity(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def with_header(content: BlockWitness, name: str, change: Callable[[int], int]) -> BlockWitness:
    block = decoded_block(content)
    before = int.from_bytes(block[0][POSITION[name]], "big")
    block[0][POSITION[name]] = quantity(change(before))
    return rebuilt(content, block)


def with_last_transaction(content: BlockWitness, kind: int, **changes: Any) -> BlockWitness:
    """The sender's last transaction, a blob transaction, signed anew as another one, and the root to go with it."""
    block = decoded_block(content)
    nonce = int.from_bytes(rlp.decode(block[TRANSACTIONS][-1][1:])[1], "big")
    wallet = Wallet(keccak256(b"sample chain sender"), CHAIN_ID, nonce)
    block[TRANSACTIONS][-1] = wallet.sign(kind, Call(to=bytes(20), **changes))
    encoded = [item if isinstance(item, bytes) else rlp.encode(item) for item in block[TRANSACTIONS]]
    block[0][POSITION["transactions_root"]] = list_root(encoded)
    if kind != BLOB:
        used = int.from_bytes(block[0][POSITION["blob_gas_used"]], "big")
        block[0][POSITION["blob_gas_used"]] = quantity(used - 6 * BLOB_GAS)
    return rebuilt(content, block)


def with_config(content: BlockWitness, change: Callable[[dict[str, Any]], object]) -> BlockWitness:
    document = json.loads(bytes(content.chain_config))
    change(document)
    return replace(content, chain_config=json.dumps(document).encode())


def test_valid_blocks(client: PyEvmClient, blocks: dict[int, BlockWitness]) -> None:
    for number in range(OSAKA, max(blocks) + 1):
        response = ask(client, SUPPORTED_FORKS, blocks[number])
        assert vote(response, blocks[number]) == "VALID", (number, response)
        assert not response.computed.unchecked_rules


@pytest.mark.parametrize("number", [OSAKA, BPO1, BPO1 + 2])
def test_excess_blob_gas(client: PyEvmClient, blocks: dict[int, BlockWitness], number: int) -> None:
    for changed in (1, BLOB_GAS):
        wrong = with_header(blocks[number], "excess_blob_gas", partial(add, changed))
        assert rule_of(client, wrong) == pb.RULE_EXCESS_BLOB_GAS


def test_excess_by_the_parents_schedule(client: PyEvmClient, blocks: dict[int, BlockWitness]) -> None:
    """The first block of BPO1 has BPO1's schedule: with Osaka's, the excess would be another."""
    wrong = with_header(blocks[BPO1], "excess_blob_gas", lambda _: 3 * BLOB_GAS + 7 * BLOB_GAS * 3 // 9)
    assert rule_of(client, wrong) == pb.RULE_EXCESS_BLOB_GAS
    osaka = with_config(blocks[BPO1], lambda document: document.pop("bpo1Time"))
    assert rule_of(client, osaka) == pb.RULE_EXCESS_BLOB_GAS


def test_excess_without_the_bound(client: PyEvmClient, blocks: dict[int, BlockWitness]) -> None:
    wrong = with_header(blocks[33], "excess_blob_gas", lambda _: (9 - 6) * BLOB_GAS + 1)
    assert rule_of(client, wrong) == pb.RULE_EXCESS_BLOB_GAS
    # By Prague's rule 3 + 7 - 6 blobs would be left.
    prague = with_header(blocks[BPO1], "excess_blob_gas", lambda _: 4 * BLOB_GAS)
    assert rule_of(client, prague) == pb.RULE_EXCESS_BLOB_GAS


def test_blob_gas_used(client: PyEvmClient, blocks: dict[int, BlockWitness]) -> None:
    wrong = with_header(blocks[MOST], "blob_gas_used", lambda value: value - BLOB_GAS)
    assert rule_of(client, wrong) == pb.RULE_BLOB_GAS_USED


def test_blobs_of_a_block_by_its_schedule(client: PyEvmClient, blocks: dict[int, BlockWitness]) -> None:
    smaller = with_config(blocks[MOST], lambda document: document["blobSchedule"]["osaka"].update(max=8))
    assert rule_of(client, smaller) == pb.RULE_BLOB_GAS_USED


def test_blobs_of_a_transaction(client: PyEvmClient, blocks: dict[int, BlockWitness]) -> None:
    hashes = tuple(bytes([1]) + bytes([index]) * 31 for index in range(7))
    six = with_last_transaction(blocks[33], BLOB, blob_hashes=hashes[:6], gas=21_000)
    assert ask(client, SUPPORTED_FORKS, six).WhichOneof("outcome") != "broken_rule"
    seven = with_last_transaction(blocks[33], BLOB, blob_hashes=hashes, gas=21_000)
    seven = with_header(seven, "blob_gas_used", lambda value: value + BLOB_GAS)
    response = ask(client, SUPPORTED_FORKS, seven)
    assert response.broken_rule.rule == pb.RULE_TRANSACTION
    assert "7 blobs, at most 6" in response.broken_rule.detail


def test_gas_limit_of_a_transaction(client: PyEvmClient, blocks: dict[int, BlockWitness]) -> None:
    largest = with_last_transaction(blocks[33], DYNAMIC_FEE, gas=GAS_LIMIT_CAP)
    assert ask(client, SUPPORTED_FORKS, largest).WhichOneof("outcome") != "broken_rule"
    response = ask(client, SUPPORTED_FORKS, with_last_transaction(blocks[33], DYNAMIC_FEE, gas=GAS_LIMIT_CAP + 1))
    assert response.broken_rule.rule == pb.RULE_TRANSACTION
    assert response.broken_rule.detail.startswith("transaction 5: Transaction has 16777217 gas")


@pytest.mark.parametrize(("number", "refused"), [(OSAKA - 1, False), (OSAKA, True), (BPO1, True)])
def test_block_size(client: PyEvmClient, blocks: dict[int, BlockWitness], number: int, refused: bool) -> None:
    block = decoded_block(blocks[number])
    block[TRANSACTIONS].append(b"\x02" + bytes(9_000_000))
    rule = rule_of(client, rebuilt(blocks[number], block))
    assert (rule == pb.RULE_BLOCK_SIZE) == refused, pb.Rule.Name(rule)


def test_without_the_parent(client: PyEvmClient, blocks: dict[int, BlockWitness]) -> None:
    content = blocks[BPO1]
    (parent,) = content.witness.headers
    root = rlp.decode(bytes(parent))[POSITION["state_root"]]
    alone = replace(content, witness=replace(content.witness, headers=[]))
    response = ask(client, SUPPORTED_FORKS, alone, root, optional=True)
    assert vote(response, alone) == "VALID", response
    assert pb.RULE_EXCESS_BLOB_GAS in response.computed.unchecked_rules


def test_fork_of_the_schedule_without_an_entry(client: PyEvmClient, blocks: dict[int, BlockWitness]) -> None:
    bare = with_config(blocks[BPO1], lambda document: document["blobSchedule"].pop("bpo1"))
    response = ask(client, SUPPORTED_FORKS, bare)
    assert response.WhichOneof("outcome") == "abstention"
    assert "no entry for bpo1" in response.abstention.detail


def test_every_fork_of_the_schedule_up_to_bpo5(client: PyEvmClient, blocks: dict[int, BlockWitness]) -> None:
    """BPO1's blocks, called BPO5: the same schedule under another name, and the same results."""

    def rename(document: dict[str, Any]) -> None:
        document["bpo5Time"] = document.pop("bpo1Time")
        document["blobSchedule"]["bpo5"] = document["blobSchedule"].pop("bpo1")

    for number in (BPO1, BPO1 + 1):
        response = ask(client, SUPPORTED_FORKS, with_config(blocks[number], rename))
        assert vote(response, blocks[number]) == "VALID"
