"""Block JSON in both shapes: what is proven, what is only claimed, and what contradicts itself."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.witness.examples import block_rlp, block_witness, chain, header_rlp
from tests.witness.formats.strategies import contents, damaged, without_producer
from tests.witness.real_data import INCOMPLETE, MAINNET, needs_real_data, real_blocks
from witness.errors import ChainConfigError, WitnessError, WitnessFormatError
from witness.file import check_binding, parent_state_root
from witness.formats import load
from witness.formats.assembly import assemble
from witness.formats.block_json import document_of, parts_from_json
from witness.formats.json_field import canonical_json, hex_octets
from witness.formats.loading import read_document
from witness.formats.rpc_block import block_to_objects
from witness.formats.rpc_header import header_to_object
from witness.header import block_header_rlp, decode_header, keccak256
from witness.model import BlockWitness, Octets, Witness

ROOT = hex_octets(b"r" * 32)
CONTENT = block_witness(9)
HASHES = [keccak256(header) for header in CONTENT.witness.headers]  # of 7 and 8


def reread(document: Any, chain_config: bytes | None = None) -> BlockWitness:
    return assemble(parts_from_json(json.loads(json.dumps(document))), chain_config)


def with_headers(headers: Sequence[Octets]) -> dict[str, Any]:
    """The example's document with other witness headers."""
    return document_of(replace(CONTENT, witness=replace(CONTENT.witness, headers=headers)))


def claims(document: Any) -> Any:
    loaded = reread(document)
    return None if loaded.claims is None else json.loads(bytes(loaded.claims))


@given(contents(), st.dictionaries(st.sampled_from(["stateRoot", "receiptsRoot", "requestsHash"]), st.just(ROOT)))
@settings(deadline=None)
def test_round_trip(content: BlockWitness, expected: dict[str, str]) -> None:
    content = replace(content, expected=canonical_json(expected) if expected else None)
    assert without_producer(reread(document_of(content))) == without_producer(content)


@given(contents())
@settings(deadline=None)
def test_the_block_as_objects(content: BlockWitness) -> None:
    header, transactions, uncles, withdrawals = block_to_objects(content.block)
    document = document_of(content)
    del document["block"], document["blockHash"]
    document |= {"header": header, "transactions": transactions, "uncles": uncles, "withdrawals": withdrawals}
    document["witness"]["headers"] = [header_to_object(each) for each in content.witness.headers]
    assert without_producer(reread(document)) == without_producer(content)


def test_claims_survive_a_round_trip() -> None:
    document = with_headers([])
    document["parentStateRoot"] = ROOT
    document["witness"]["blockHashes"] = [hex_octets(HASHES[1]), ROOT]
    loaded = reread(document)
    assert without_producer(reread(document_of(loaded))) == without_producer(loaded)
    assert loaded.claims == canonical_json({"blockHashes": {"7": ROOT}, "parentStateRoot": ROOT})


def test_what_the_headers_prove_is_no_claim() -> None:
    document = with_headers(list(CONTENT.witness.headers))
    document["parentStateRoot"] = hex_octets(decode_header(CONTENT.witness.headers[-1]).state_root)
    oldest = decode_header(CONTENT.witness.headers[0]).parent_hash
    document["witness"]["blockHashes"] = [hex_octets(each) for each in (HASHES[1], HASHES[0], oldest)]
    assert claims(document) is None
    document["witness"]["blockHashes"].append(ROOT)  # of block 5, below all headers
    assert claims(document) == {"blockHashes": {"5": ROOT}}


def test_without_the_parents_header_the_pre_state_root_is_a_claim() -> None:
    for headers in ([], list(CONTENT.witness.headers[:1])):
        document = with_headers(headers)
        assert claims(document) is None
        document["parentStateRoot"] = ROOT
        assert claims(document) == {"parentStateRoot": ROOT}


def test_a_header_with_the_parents_number_and_another_hash_proves_nothing() -> None:
    document = with_headers([header_rlp(number=8, state_root=b"r" * 32)])
    document["parentStateRoot"] = ROOT
    assert claims(document) == {"parentStateRoot": ROOT}


def test_headers_come_out_ascending_and_once_without_the_blocks_own() -> None:
    seventh, eighth = CONTENT.witness.headers
    header = bytes(block_header_rlp(CONTENT.block))
    loaded = reread(with_headers([bytes(eighth), header, bytes(seventh), bytes(eighth)]))
    assert loaded.witness.headers == [seventh, eighth]


def test_nodes_and_codes_come_out_sorted_and_once() -> None:
    document = document_of(CONTENT)
    document["witness"]["state"] = ["0x02", "0x01", "0x02", "0x0100"]
    document["witness"]["codes"] = ["0x05", "0x04", "0x05"]
    loaded = reread(document)
    assert loaded.witness == Witness(
        state=[b"\1", b"\1\0", b"\2"], codes=[b"\4", b"\5"], headers=CONTENT.witness.headers
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"blockHash": ROOT}, "block hash is stated as 0x7272"),
        ({"number": 10}, "block number is stated as 10, the block has 9"),
        ({"chainId": 8}, "chain id is stated as 8, the chain config says 7"),
        ({"parentStateRoot": ROOT}, "not that of the parent's header"),
        ({"parentStateRoot": "0x00"}, "1 bytes, 32 expected"),
        ({"block": "0xc0"}, "block: block does not start"),
        ({"block": "0xc1c0"}, "block: header has 0 fields"),
        ({"block": None}, "block is not a 0x"),
        ({"expect": {"gasUsed": "many"}}, "expect.gasUsed is not a quantity"),
        ({"expect": {"logsBloom": "0x00"}}, "256 expected"),
        ({"expect": 7}, "expect is not a JSON object"),
        ({"chainConfig": 7}, "chainConfig is not a JSON object"),
    ],
)
def test_contradictions_and_wrong_values_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(WitnessFormatError, match=reason):
        reread({**document_of(CONTENT), **change})


@pytest.mark.parametrize(
    ("hashes", "reason"),
    [
        ([ROOT], "block hash of 8 is stated, and is not"),
        ({"8": ROOT}, "block hash of 8 is stated, and is not"),
        ({"7": ROOT}, "block hash of 7 is stated, and is not"),
        ({"-1": ROOT}, "no block number"),
        ({"9" * 20: ROOT}, "no block number"),
        ({"8": "0x00"}, "1 bytes"),
        (7, "not a JSON list"),
    ],
)
def test_wrong_block_hashes_are_refused(hashes: Any, reason: str) -> None:
    document = document_of(CONTENT)
    document["witness"]["blockHashes"] = hashes
    with pytest.raises(WitnessFormatError, match=reason):
        reread(document)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (["0xc0"], "header has 0 fields"),
        ([hex_octets(header_rlp(number=8)), hex_octets(chain(1, 8)[0])], "two different witness headers have number 8"),
        ([7], "not a JSON object"),
        ({}, "not a JSON list"),
    ],
)
def test_wrong_headers_are_refused(headers: Any, reason: str) -> None:
    document = document_of(CONTENT)
    document["witness"]["headers"] = headers
    with pytest.raises(WitnessFormatError, match=reason):
        reread(document)


# The chain config: an argument of the same chain, else the document's, else a well-known one.


def test_which_chain_config_is_used() -> None:
    own = document_of(CONTENT)
    bare = {**own, "chainConfig": None}
    given_config = b'{"chainId": 7, "berlinBlock": 1}'
    assert reread(own).chain_config == CONTENT.chain_config
    assert reread(own, given_config).chain_config == b'{"berlinBlock":1,"chainId":7}'
    assert reread(own, b'{"chainId":8}').chain_config == CONTENT.chain_config
    assert reread(bare, given_config).chain_config == b'{"berlinBlock":1,"chainId":7}'
    with pytest.raises(ChainConfigError, match="chain 7 is not known"):
        reread(bare)
    with pytest.raises(ChainConfigError, match="chain 7 is not known"):
        reread(bare, b'{"chainId":8}')
    assert b'"shanghaiTime":1681338455' in bytes(reread({**bare, "chainId": 1}).chain_config)
    assert reread({**own, "chainId": None}).chain_id == 7


def test_the_chain_id_of_a_typed_transaction_is_taken_where_nothing_else_says_it() -> None:
    document = {**document_of(CONTENT), "chainConfig": None, "chainId": None, "blockHash": None}
    with pytest.raises(ChainConfigError, match="which chain"):
        reread(document)
    block = block_rlp(header_rlp(number=9), [b"\x02" + bytes.fromhex("c4824268" + "01")])
    assert reread({**document, "block": hex_octets(block)}).chain_id == 17000
    for transaction in (b"\x02", b"\x02\xc0", b"\x02\xf8"):
        broken = block_rlp(header_rlp(number=9), [transaction])
        with pytest.raises(ChainConfigError, match="which chain"):
            reread({**document, "block": hex_octets(broken)})


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_document_is_refused_or_still_of_its_block(data: st.DataObject) -> None:
    document = with_headers([])
    document |= {"parentStateRoot": ROOT, "expect": {"stateRoot": ROOT, "gasUsed": "0x5"}}
    document["witness"]["blockHashes"] = [hex_octets(HASHES[1]), ROOT]
    try:
        loaded = reread(data.draw(damaged(document)))
    except WitnessError:
        return
    assert loaded.hash == CONTENT.hash
    assert loaded.block == CONTENT.block


# The real blocks.


@pytest.mark.parametrize("path", real_blocks(), ids=lambda path: path.name)
def test_every_real_block_is_imported(path: Path) -> None:
    document = json.loads(read_document(path))
    (content,) = load(path)
    header = check_binding(content)
    stated = document.get("blockHash") or (document.get("header") or document["blocks"][0]["header"])["hash"]
    assert hex_octets(content.hash) == stated
    witness = document["witness"]
    assert [hex_octets(node) for node in content.witness.state] == sorted(set(witness["state"]))
    assert len(content.witness.headers) == len(witness.get("headers") or witness.get("ancestors") or [])
    bound = parent_state_root(content, header)
    asserted = {} if content.claims is None else json.loads(bytes(content.claims))
    if bound is None:
        assert asserted["parentStateRoot"] == document["parentStateRoot"]
    else:
        assert "parentStateRoot" not in asserted
        assert document.get("parentStateRoot") in (None, hex_octets(bound))


@needs_real_data
@pytest.mark.parametrize(
    ("path", "root", "hashes"),
    [
        (MAINNET / "17000_2860556_scroll.json.gz", True, 0),
        (MAINNET / "17000_2965788_scroll.json.gz", True, 0),
        (MAINNET / "17000_2971844_scroll.json.gz", True, 255),
        (MAINNET / "17000_2971847_scroll.json.gz", False, 252),
        (INCOMPLETE / "mainnet_23587691_scroll.json.gz", True, 255),
        (INCOMPLETE / "1_22188088_keth.json.gz", False, 0),
    ],
)
def test_what_real_sources_only_claim(path: Path, root: bool, hashes: int) -> None:
    (content,) = load(path)
    asserted = {} if content.claims is None else json.loads(bytes(content.claims))
    assert ("parentStateRoot" in asserted, len(asserted.get("blockHashes", {}))) == (root, hashes)
    assert len(asserted) == root + bool(hashes)
