"""The partial trie on a real witness: mainnet block 22615247, whose document names values before and after."""

import json
from typing import Any

import pytest

from tests.witness.real_data import ZKPIG, needs_real_data
from witness.errors import WitnessInsufficientError
from witness.formats import load
from witness.formats.loading import read_document
from witness.header import decode_block_header, decode_header, keccak256
from witness.model import BlockWitness, Octets
from witness.rlp_encoding import encode_integer, encode_item, encode_string
from witness.trie import EMPTY_ROOT, PartialTrie, nodes_by_hash

pytestmark = needs_real_data


@pytest.fixture(scope="module")
def content() -> BlockWitness:
    return next(load(ZKPIG))


@pytest.fixture(scope="module")
def extra() -> Any:
    return json.loads(read_document(ZKPIG))["extra"]


def octets(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def account_rlp(account: Any, storage_root: bytes | None = None) -> bytes | None:
    if account is None:
        return None
    root = storage_root if storage_root is not None else octets(account["storageHash"])
    numbers = [encode_integer(int(account[name], 16)) for name in ("nonce", "balance")]
    return encode_item([*numbers, root, octets(account["codeHash"])])


def post_state_root(root: bytes, nodes: dict[bytes, Octets], differences: Any) -> bytes:
    """The root after the document's differences, storage tries first."""
    changes: dict[bytes, bytes | None] = {}
    for each in differences:
        before, after = each.get("preAccount"), each.get("postAccount")
        storage = PartialTrie(octets(before["storageHash"]) if before else EMPTY_ROOT, nodes)
        storage.update(
            {
                keccak256(octets(slot["storageKey"])): encode_string(octets(slot["postValue"]).lstrip(b"\0"))
                if int(slot["postValue"], 16)
                else None
                for slot in each.get("storage") or []
            }
        )
        if after is not None:
            assert storage.root() == octets(after["storageHash"])
        changes[keccak256(octets(each["address"]))] = account_rlp(after, storage.root())
    trie = PartialTrie(root, nodes)
    trie.update(changes)
    return trie.root()


def test_reads_every_account_and_slot(content: BlockWitness, extra: Any) -> None:
    nodes = nodes_by_hash(content.witness.state)
    trie = PartialTrie(decode_header(content.witness.headers[-1]).state_root, nodes)
    slots = 0
    for address, account in extra["preState"].items():
        found = trie.get(keccak256(octets(address)))
        if account is None or found is None:
            assert found is None
            assert account is None or int(account["nonce"], 16) == int(account["balance"], 16) == 0
            continue
        assert found == account_rlp(account)
        storage = PartialTrie(octets(account["storageHash"]), nodes)
        for slot, value in (account.get("storage") or {}).items():
            stripped = octets(value).lstrip(b"\0")
            assert storage.get(keccak256(octets(slot))) == (encode_string(stripped) if stripped else None)
            slots += 1
    assert len(extra["preState"]) == 62
    assert slots > 100


def test_the_differences_give_the_headers_state_root(content: BlockWitness, extra: Any) -> None:
    nodes = nodes_by_hash(content.witness.state)
    root = decode_header(content.witness.headers[-1]).state_root
    assert post_state_root(root, nodes, extra["stateDiffs"]) == decode_block_header(content.block).state_root


def test_without_any_one_node_the_root_is_right_or_the_node_is_named(content: BlockWitness, extra: Any) -> None:
    nodes = nodes_by_hash(content.witness.state)
    root = decode_header(content.witness.headers[-1]).state_root
    expected = decode_block_header(content.block).state_root
    named = 0
    for dropped in nodes:
        lacking = {hash_: node for hash_, node in nodes.items() if hash_ != dropped}
        try:
            found = post_state_root(root, lacking, extra["stateDiffs"])
        except WitnessInsufficientError as error:
            missing = error.hash
        else:
            assert found == expected
            continue
        assert missing == dropped
        named += 1
    assert 300 < named < len(nodes)
