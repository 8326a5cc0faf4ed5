"""A GeneralStateTest: one transaction on a state that is written out, as `evm statetest` and other runners take it.

Source: ethereum/tests, docs/test_types/gstate_tests.rst; go-ethereum, tests/state_test_util.go.
"""

from collections.abc import Mapping
from typing import Any

from witness.header import keccak256
from witness.model import Header, PostAccount, PostState, PreState
from witness.rlp_encoding import encode_integer, encode_item
from witness.trie import EMPTY_ROOT, PartialTrie

from .transaction import Transaction

# As the test suites name them. Forks before Paris have rewards, which a state test lacks.
FORKS = {
    "paris": "Paris",
    "shanghai": "Shanghai",
    "cancun": "Cancun",
    "prague": "Prague",
    "osaka": "Osaka",
    "bpo1": "BPO1",
    "bpo2": "BPO2",
    "bpo3": "BPO3",
    "bpo4": "BPO4",
    "amsterdam": "Amsterdam",
}
EMPTY_CODE = keccak256(b"")
State = dict[bytes, PostAccount]


def state_of(before: PreState, changes: PostState) -> State:
    """The accounts that there are once `changes` have happened to those known before."""
    state: State = {}
    for address, account in before.items():
        if account is not None:
            state[address] = PostAccount(account.nonce, account.balance, account.code_hash, dict(account.slots))
    for address, after in changes.items():
        if after is None:
            state.pop(address, None)
            continue
        held = state.get(address)
        slots = {**(held.slots if held is not None else {}), **after.slots}
        state[address] = PostAccount(after.nonce, after.balance, after.code_hash, slots)
    return state


def root_of(state: State) -> bytes:
    """The root of the state that has these accounts and slots only."""
    trie = PartialTrie(EMPTY_ROOT, {})
    trie.update({keccak256(address): _account(account) for address, account in state.items()})
    return trie.root() if state else EMPTY_ROOT


def state_test(
    name: str,
    fork: str,
    header: Header,
    before: State,
    codes: Mapping[bytes, bytes],
    transaction: Transaction,
    post_root: bytes,
    logs_hash: bytes,
    info: Mapping[str, str],
) -> dict[str, Any]:
    """The document. before: the state in front of the transaction. codes: by hash, all of them. info: what it is about.

    post_root, logs_hash: what is expected, 32 bytes each.
    """
    return {
        name: {
            "_info": dict(info),
            "env": _environment(header),
            "pre": {f"0x{address.hex()}": _members(before[address], codes) for address in sorted(before)},
            "transaction": transaction.members(),
            "post": {
                FORKS[fork]: [
                    {
                        "hash": f"0x{post_root.hex()}",
                        "logs": f"0x{logs_hash.hex()}",
                        "indexes": {"data": 0, "gas": 0, "value": 0},
                    }
                ]
            },
        }
    }


def _environment(header: Header) -> dict[str, str]:
    environment = {
        "currentCoinbase": f"0x{header.coinbase.hex()}",
        "currentDifficulty": hex(header.difficulty),
        "currentGasLimit": hex(header.gas_limit),
        "currentNumber": hex(header.number),
        "currentTimestamp": hex(header.timestamp),
        "currentRandom": f"0x{header.mix_hash.hex()}",
    }
    if header.base_fee is not None:
        environment["currentBaseFee"] = hex(header.base_fee)
    if header.excess_blob_gas is not None:
        environment["currentExcessBlobGas"] = hex(header.excess_blob_gas)
    if header.slot_number is not None:
        environment["slotNumber"] = hex(header.slot_number)
    return environment


def _members(account: PostAccount, codes: Mapping[bytes, bytes]) -> dict[str, Any]:
    code = codes[account.code_hash]
    return {
        "nonce": hex(account.nonce),
        "balance": hex(account.balance),
        "code": f"0x{code.hex()}",
        "storage": {f"0x{key.hex()}": f"0x{value:064x}" for key, value in sorted(account.slots.items()) if value},
    }


def _account(account: PostAccount) -> bytes:
    slots = {keccak256(key): encode_item(encode_integer(value)) for key, value in account.slots.items() if value}
    trie = PartialTrie(EMPTY_ROOT, {})
    trie.update(slots)
    root = trie.root() if slots else EMPTY_ROOT
    return encode_item([encode_integer(account.nonce), encode_integer(account.balance), root, account.code_hash])
