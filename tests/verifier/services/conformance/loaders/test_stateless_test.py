"""Fixtures with witnesses: what each mutation is expected to come to, and what the verifier itself has to refuse."""

from dataclasses import replace
from typing import Any

import pytest
from coincurve import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.conformance import CaseName, Expected
from verifier.executors.stateful.embedded.signing import DYNAMIC_FEE, Call, Wallet
from verifier.services.conformance.case import Case, CaseBlock, LoadFailure
from verifier.services.conformance.loaders.blockchain_test import HEADER_KEYS
from verifier.services.conformance.suite import STATELESS, _load_test
from witness.formats.engine_payload import AMSTERDAM, decode_engine_payload
from witness.formats.stateless_ssz import encode_stateless_input
from witness.header import keccak256
from witness.model import Witness
from witness.rlp_encoding import encode_item

SECRET = b"\x21" * 32
KEY = PrivateKey(SECRET).public_key.format(compressed=False)
ROOT = b"\x51" * 32
GENESIS = {
    key: "0x0" if length == 0 else f"0x{(ROOT if key == 'stateRoot' else bytes(max(length, 0))).hex()}"
    for key, length in HEADER_KEYS
}
GENESIS_RLP = encode_item([b"" if value in ("0x0", "0x") else bytes.fromhex(value[2:]) for value in GENESIS.values()])
WITNESS = Witness(state=[b"\xc1\x80"], codes=[], headers=[GENESIS_RLP])


def entry(**changes: Any) -> dict[str, Any]:
    """A block with its stateless input. changes: payload (fields), witness, chain_id, keys, success."""
    transaction = Wallet(SECRET, 1).sign(DYNAMIC_FEE, Call(to=b"\x09" * 20))
    payload: dict[str, Any] = {
        "parentHash": f"0x{keccak256(GENESIS_RLP).hex()}",
        **dict.fromkeys(("stateRoot", "receiptsRoot", "prevRandao", "blockHash"), "0x" + "11" * 32),
        "feeRecipient": "0x" + "33" * 20,
        "logsBloom": "0x" + "00" * 256,
        "blockNumber": "0x1",
        "gasLimit": "0x1c9c380",
        "gasUsed": "0x5208",
        "timestamp": "0xc",
        "extraData": "0x",
        "baseFeePerGas": "0x7",
        "transactions": [f"0x{transaction.hex()}"],
        "withdrawals": [],
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
        "blockAccessList": "0xc0",
        "slotNumber": "0x1",
    }
    parameters = [payload, changes.get("hashes", []), "0x" + "00" * 32, []]
    decoded = decode_engine_payload(AMSTERDAM, parameters)
    payload["blockHash"] = changes.get("hash", f"0x{decoded.header.hash.hex()}")
    given_ = encode_stateless_input(
        parameters, changes.get("witness", WITNESS), changes.get("chain_id", 1), changes.get("keys", [KEY])
    )
    output = bytes(32) + bytes([changes.get("success", True)]) + (1).to_bytes(8, "little") + b"\x01\x15"
    return {
        "rlp": f"0x{decoded.block.hex()}",
        "blockHeader": {"hash": f"0x{decoded.header.hash.hex()}"},
        "statelessInputBytes": f"0x{given_.hex()}",
        "statelessOutputBytes": f"0x{output.hex()}",
    }


def cases(*blocks: dict[str, Any], key: str = "blocks") -> list[Case | LoadFailure]:
    test = {
        "network": "Amsterdam",
        "genesisBlockHeader": GENESIS,
        "pre": {},
        "config": {"chainid": "0x1"},
        key: [*blocks],
    }
    kind = "blockchain_test" if key == "blocks" else "blockchain_test_engine"
    return list(_load_test("a.json", "t", kind, test, lambda _: True))


def stateless(*blocks: dict[str, Any]) -> list[CaseBlock]:
    chain, case = cases(*blocks)
    assert isinstance(chain, Case)
    assert isinstance(case, Case), case
    assert case.name == CaseName("a.json", "t", "Amsterdam", STATELESS)
    assert case.genesis is None
    return list(case.blocks)


def test_a_good_witness() -> None:
    (block,) = stateless(entry())
    assert (block.expected, block.misfit, block.exception) == (Expected.VALID, "", "")
    assert block.pre_state_root == ROOT
    assert block.witness is not None
    assert (block.witness.chain_id, block.witness.number) == (1, 1)
    assert list(block.witness.witness.headers) == [GENESIS_RLP]


def test_the_chain_itself_is_a_test_too() -> None:
    chain, _ = cases(entry())
    assert isinstance(chain, Case)
    assert chain.name.kind == "blockchain_test"
    assert chain.genesis is not None


@pytest.mark.parametrize(
    "witness",
    [
        replace(WITNESS, state=[]),
        replace(WITNESS, headers=[]),
        replace(WITNESS, headers=[GENESIS_RLP, GENESIS_RLP]),
        replace(WITNESS, headers=[b"\xff"]),
    ],
)
def test_a_mutated_witness_is_to_be_refused(witness: Witness) -> None:
    (block,) = stateless(entry(witness=witness, success=False))
    assert (block.expected, block.misfit) == (Expected.REFUSED, "")
    assert block.witness is not None
    assert list(block.witness.witness.headers) == list(witness.headers)  # nothing is repaired


def test_more_than_is_needed_is_still_good() -> None:
    (block,) = stateless(entry(witness=replace(WITNESS, state=[b"\xc1\x80", b"\xc2\x01\x02"], codes=[b"\x00"])))
    assert block.expected is Expected.VALID


@pytest.mark.parametrize(
    ("changes", "misfit"),
    [
        ({"keys": []}, "0 public keys for 1"),
        ({"keys": [KEY, KEY]}, "2 public keys for 1"),
        ({"keys": [b"\x04" + b"\x01" * 64]}, "not the key"),
        ({"chain_id": 2}, "of chain 2"),
    ],
)
def test_what_no_adapter_takes_is_a_misfit(changes: dict[str, Any], misfit: str) -> None:
    (block,) = stateless(entry(**changes, success=False))
    assert block.expected is Expected.REFUSED
    assert misfit in block.misfit


@pytest.mark.parametrize("changes", [{"hash": "0x" + "99" * 32}, {"hashes": ["0x01" + "22" * 31]}])
def test_a_payload_that_is_not_its_block_is_invalid(changes: dict[str, Any]) -> None:
    (block,) = stateless(entry(**changes, success=False))
    assert block.expected is Expected.INVALID
    assert block.misfit


def test_an_input_that_cannot_be_decoded() -> None:
    bad = entry(success=False) | {"statelessInputBytes": "0x16010203"}
    (block,) = stateless(bad)
    assert (block.expected, block.witness) == (Expected.REFUSED, None)
    assert "schema" in block.misfit
    _, failure = cases(entry() | {"statelessInputBytes": "0x16010203"})  # and yet it is to succeed
    assert isinstance(failure, LoadFailure)


def test_an_invalid_block_keeps_its_word() -> None:
    invalid = entry(success=False) | {"expectException": "BlockException.INVALID_GAS_USED"}
    (block,) = stateless(invalid)
    assert (block.expected, block.exception) == (Expected.INVALID, "BlockException.INVALID_GAS_USED")
    (block,) = stateless(invalid | {"statelessOutputBytes": entry()["statelessOutputBytes"]})
    assert (block.expected, block.exception) == (Expected.VALID, "")  # the guest's block is not the fixture's


def test_a_witness_beside_the_block() -> None:
    bare = entry()
    del bare["statelessInputBytes"]
    lists = {"state": ["0xc180"], "codes": [], "headers": [f"0x{GENESIS_RLP.hex()}"]}
    (block,) = stateless(bare | {"executionWitness": lists})
    assert block.expected is Expected.VALID
    assert block.pre_state_root == ROOT
    # Of a mutated one nobody says what is to come of it.
    assert len(cases(bare | {"executionWitness": lists, "executionWitnessMutated": True})) == 1
    _, failure = cases(bare | {"executionWitness": {"state": []}})
    assert isinstance(failure, LoadFailure)


@given(data=st.data())
def test_any_damage_gives_cases_or_failures(data: st.DataObject) -> None:
    block = entry(success=data.draw(st.booleans()))
    for _ in range(data.draw(st.integers(1, 2))):
        key = data.draw(st.sampled_from([*block, "expectException", "executionWitness", "executionWitnessMutated"]))
        value = block.get(key)
        if isinstance(value, str) and data.draw(st.booleans()):
            at = data.draw(st.integers(0, len(value)))
            block[key] = value[:at] + data.draw(st.sampled_from(["", "0", "ff", "zz"])) + value[at + 2 :]
        else:
            block[key] = data.draw(st.none() | st.integers() | st.text(max_size=4) | st.just({}) | st.just([]))
    assert 1 <= len(cases(block)) <= 2
