"""Values of the state after a block, from a server that answers as execution clients do."""

from typing import Any

import pytest

from tests.verifier.executors.stateful.test_engine_api import Fault, against
from verifier.domain.whole_state import Keys
from verifier.executors.stateful.engine_api import ExecutionRpc
from verifier.executors.stateful.errors import ExecutionClientError
from verifier.executors.stateful.state_reader import NO_CODE, RpcStateReader
from witness.model import PostAccount, PostState

ALICE, BOB = b"\xaa" * 20, b"\xbb" * 20
KEY, BLOCK, CODE = (1).to_bytes(32, "big"), b"\xab" * 32, b"\xc5" * 32
KEYS: Keys = {ALICE: frozenset([KEY]), BOB: frozenset()}
ABSENT = {"nonce": "0x0", "balance": "0x0", "codeHash": f"0x{bytes(32).hex()}", "storageProof": []}


def account(**changes: Any) -> dict[str, Any]:
    slots = [{"key": f"0x{KEY.hex()}", "value": "0x5", "proof": []}]
    return {"nonce": "0x1", "balance": "0x7", "codeHash": f"0x{CODE.hex()}", "storageProof": slots, **changes}


def read(answer: Any) -> PostState:
    def of(address: str, keys: list[str], block: dict[str, str]) -> Any:
        assert block == {"blockHash": f"0x{BLOCK.hex()}"}
        assert keys == ([f"0x{KEY.hex()}"] if address == f"0x{ALICE.hex()}" else [])
        if address == f"0x{ALICE.hex()}":
            if isinstance(answer, Exception):
                raise answer
            return answer
        return ABSENT

    async def scenario(client: ExecutionRpc) -> PostState:
        return await RpcStateReader(client, "node").read(BLOCK, KEYS)

    return against({"eth_getProof": of}, scenario)


@pytest.mark.parametrize("key", [f"0x{KEY.hex()}", "0x1"])
def test_accounts_and_slots(key: str) -> None:
    slots = [{"key": key, "value": "0x5"}]
    assert read(account(storageProof=slots)) == {ALICE: PostAccount(1, 7, CODE, {KEY: 5}), BOB: None}


def test_an_absent_account_as_others_tell_it() -> None:
    told = account(nonce="0x0", balance="0x0", codeHash=f"0x{NO_CODE.hex()}")
    assert read(told) == {ALICE: None, BOB: None}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        account(nonce="nonsense"),
        account(codeHash="0x12"),
        account(storageProof=[]),
        account(storageProof=[{"key": "0x2", "value": "0x5"}]),
        account(storageProof=[{"key": "0x1"}]),
        account(storageProof=[5]),
        Fault({"code": -32000, "message": "missing trie node"}),
    ],
)
def test_whatever_else_it_answers_is_our_error(answer: Any) -> None:
    with pytest.raises(ExecutionClientError):
        read(answer)
