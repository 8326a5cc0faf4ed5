"""What every Python client has to keep, on blocks of a chain of our own. See `client_contract`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rlp

from tests.adapters.asking import abstention, ask, insufficient, vote
from tests.adapters.synthetic_block import (
    BASE_FEE,
    COINBASE,
    GAS_LIMIT,
    RICH,
    SENDER,
    SENDER_KEY,
    TARGET,
    Account,
    pre_state_root,
    state_trie,
    synthetic_block,
    transaction,
    with_config,
)
from verifier.rpc.host.client import Client
from verifier.rpc.host.task import file_task
from verifier.rpc.host.worker import call_with_deep_stack
from verifier.rpc.v1 import executor_pb2 as pb
from witness.file import write_witness_file
from witness.header import keccak256
from witness.model import BlockWitness
from witness.rlp_encoding import encode_list


class OwnChainContract:
    """Inherit by way of ClientContract."""

    forks: tuple[str, ...]
    unsupported: dict[str, Any]

    def ask(self, client: Client, content: BlockWitness, root: bytes | None = None, *, optional: bool = False) -> Any:
        """See `asking.ask`."""
        return ask(client, self.forks, content, root, optional=optional)

    def test_withdrawals_on_an_empty_state(self, client: Client) -> None:
        content = synthetic_block({}, withdrawals=[(TARGET, 3), (COINBASE, 0)])
        response = self.ask(client, content, pre_state_root(content))
        expected, _ = state_trie({TARGET: Account(balance=3 * 10**9)})
        assert response.computed.state_root == expected
        assert response.computed.gas_used == 0

    def test_transfer(self, client: Client) -> None:
        content = synthetic_block({SENDER: Account(balance=RICH)}, [transaction(value=5)])
        response = self.ask(client, content, pre_state_root(content))
        fee = 21_000 * 10
        after = {
            SENDER: Account(nonce=1, balance=RICH - 5 - fee),
            TARGET: Account(balance=5),
            COINBASE: Account(balance=21_000 * (10 - BASE_FEE)),
        }
        assert response.computed.state_root == state_trie(after)[0]
        (receipt,) = response.computed.receipts
        assert receipt.succeeded
        assert receipt.cumulative_gas_used == 21_000
        assert receipt.logs_hash == keccak256(b"\xc0")

    def block_hash_block(self, distance: int, ancestors: int) -> BlockWitness:
        """A block that stores BLOCKHASH(number - distance) in slot 0."""
        code = bytes.fromhex(f"61{distance:04x}4303405f5500")  # PUSH2 distance NUMBER SUB BLOCKHASH PUSH0 SSTORE STOP
        accounts = {SENDER: Account(balance=RICH), TARGET: Account(code=code)}
        return synthetic_block(accounts, [transaction()], ancestors=ancestors)

    @pytest.mark.parametrize("distance", [1, 2, 3, 257])
    def test_block_hash_is_proven(self, client: Client, distance: int) -> None:
        content = self.block_hash_block(distance, ancestors=2)
        response = self.ask(client, content, pre_state_root(content))
        headers = content.witness.headers
        known = {
            1: keccak256(headers[1]),
            2: keccak256(headers[0]),
            3: b"\x07" * 32,  # named by the oldest header
        }
        value = int.from_bytes(known.get(distance, b""), "big")  # 0 outside the last 256 blocks
        gas = response.computed.gas_used
        code = bytes.fromhex(f"61{distance:04x}4303405f5500")
        after = {
            SENDER: Account(nonce=1, balance=RICH - gas * 10),
            TARGET: Account(code=code, storage={0: value} if value else {}),
            COINBASE: Account(balance=gas * (10 - BASE_FEE)),
        }
        assert response.computed.state_root == state_trie(after)[0]

    @pytest.mark.parametrize("distance", [4, 256])
    def test_block_hash_is_not_proven(self, client: Client, distance: int) -> None:
        content = self.block_hash_block(distance, ancestors=2)
        (missing,) = insufficient(self.ask(client, content, pre_state_root(content)))
        assert (missing.kind, missing.number) == (pb.Missing.KIND_HEADER, 300 - distance)

    def test_missing_code(self, client: Client) -> None:
        accounts = {SENDER: Account(balance=RICH), TARGET: Account(code=b"\x00\x01")}
        content = synthetic_block(accounts, [transaction()])
        content = replace(content, witness=replace(content.witness, codes=[]))
        (missing,) = insufficient(self.ask(client, content, pre_state_root(content)))
        assert (missing.kind, missing.hash) == (pb.Missing.KIND_CODE, keccak256(b"\x00\x01"))

    def test_code_that_is_not_run_may_be_missing(self, client: Client) -> None:
        accounts = {TARGET: Account(code=b"\x00\x01")}
        content = synthetic_block(accounts, withdrawals=[(TARGET, 1)])
        content = replace(content, witness=replace(content.witness, codes=[]))
        response = self.ask(client, content, pre_state_root(content))
        expected, _ = state_trie({TARGET: Account(code=b"\x00\x01", balance=10**9)})
        assert response.computed.state_root == expected

    @pytest.mark.parametrize(
        "garbage",
        [
            b"",
            b"\x00" * 40,
            b"\xc0",
            b"garbage that is no RLP at all, or is it?",
            rlp.encode([b"\x20" + b"\1" * 32]),
            rlp.encode([b"\x40" + b"\1" * 32, b"x" * 40]),
            rlp.encode([b"\1" * 33] * 16 + [b""]),
            rlp.encode([b""] * 16 + [b"value"]),
            rlp.encode([b"x"] * 18),
            rlp.encode([[b"x"]] * 17),
        ],
    )
    def test_malformed_root_node(self, client: Client, garbage: bytes) -> None:
        content = synthetic_block({}, withdrawals=[(TARGET, 1)], ancestors=0)
        # In the codes too: a code must not pass for a node.
        content = replace(content, witness=replace(content.witness, state=[garbage], codes=[garbage]))
        missing = insufficient(self.ask(client, content, keccak256(garbage), optional=True))
        assert keccak256(garbage) in [each.hash for each in missing]

    @pytest.mark.parametrize("leaf", [b"no account", rlp.encode([b"", b"", b"", b""]), rlp.encode([b"\1"] * 4)])
    def test_malformed_account(self, client: Client, leaf: bytes) -> None:
        node = rlp.encode([b"\x20" + keccak256(TARGET), leaf])
        content = synthetic_block({}, withdrawals=[(TARGET, 1)], ancestors=0)
        content = replace(content, witness=replace(content.witness, state=[node]))
        assert insufficient(self.ask(client, content, keccak256(node), optional=True))

    @pytest.mark.parametrize(
        ("wrong", "rule"),
        [
            (transaction(nonce=1), pb.RULE_TRANSACTION),
            (transaction(value=RICH), pb.RULE_TRANSACTION),
            (transaction(gas=20_999), pb.RULE_TRANSACTION),
            (transaction(chain_id=1), pb.RULE_TRANSACTION),
            (transaction(gas=GAS_LIMIT + 1), pb.RULE_BLOCK_GAS),
            ([*transaction()[:-1], b"\xff" * 32], pb.RULE_TRANSACTION),
        ],
        ids=["nonce", "value", "intrinsic gas", "chain id", "block gas", "signature"],
    )
    def test_invalid_transaction(self, client: Client, wrong: list[bytes], rule: pb.Rule) -> None:
        content = synthetic_block({SENDER: Account(balance=RICH)}, [wrong])
        response = self.ask(client, content, pre_state_root(content))
        assert response.broken_rule.rule == rule, response
        assert "transaction 0" in response.broken_rule.detail

    def test_sender_with_code(self, client: Client) -> None:
        accounts = {SENDER: Account(balance=RICH, code=b"\x00")}
        content = synthetic_block(accounts, [transaction()])
        assert self.ask(client, content, pre_state_root(content)).broken_rule.rule == pb.RULE_TRANSACTION

    def test_invalid_because_of_a_missing_node_is_missing(self, client: Client) -> None:
        others = {bytes([number]) * 20: Account(balance=1) for number in range(1, 40)}
        content = synthetic_block({SENDER: Account(balance=RICH), **others}, [transaction(key=SENDER_KEY)])
        root = pre_state_root(content)
        for dropped in range(len(content.witness.state)):
            state = [node for index, node in enumerate(content.witness.state) if index != dropped]
            response = self.ask(client, replace(content, witness=replace(content.witness, state=state)), root)
            assert response.WhichOneof("outcome") == "computed" or insufficient(response)

    def test_call_depth(self, client: Client) -> None:
        # Calls itself with all gas until the depth or the gas ends.
        code = bytes.fromhex("5f5f5f5f5f305af15000")
        accounts = {SENDER: Account(balance=RICH), TARGET: Account(code=code)}
        content = synthetic_block(accounts, [transaction(gas=25_000_000)])
        response = call_with_deep_stack(lambda: self.ask(client, content, pre_state_root(content)))
        assert response.WhichOneof("outcome") == "computed", response
        (receipt,) = response.computed.receipts
        assert receipt.succeeded

    def test_unsupported_fork(self, client: Client) -> None:
        content = with_config(synthetic_block({}), **self.unsupported)
        assert abstention(self.ask(client, content, pre_state_root(content))) == "unsupported_fork"

    @pytest.mark.parametrize("nested", [b"\xc0" * 4, b"\xff" * 9, b"\xf8\x00", b"\xc1\xc1"])
    def test_body_that_is_no_rlp(self, client: Client, nested: bytes) -> None:
        content = synthetic_block({})
        own = rlp.encode(rlp.decode(bytes(content.block))[0])
        body = own + nested
        prefix = b"\xf9" + len(body).to_bytes(2, "big")
        response = self.ask(client, replace(content, block=prefix + body), pre_state_root(content))
        assert response.broken_rule.rule == pb.RULE_BLOCK_ENCODING

    def test_deeply_nested_body(self, client: Client) -> None:
        content = synthetic_block({})
        own = rlp.encode(rlp.decode(bytes(content.block))[0])
        nested = b"\xc0"
        for _ in range(20_000):
            nested = encode_list(nested)
        block = encode_list(own + nested)
        response = call_with_deep_stack(
            lambda: self.ask(client, replace(content, block=block), pre_state_root(content))
        )
        assert response.broken_rule.rule == pb.RULE_BLOCK_ENCODING

    def test_threads_do_not_mix_their_misses(self, client: Client) -> None:
        good = synthetic_block({SENDER: Account(balance=RICH)}, [transaction(value=5)])
        bad = self.block_hash_block(9, ancestors=1)
        assert vote(self.ask(client, bad, pre_state_root(bad)), bad) == "ABSTAIN"
        with ThreadPoolExecutor(1) as other:  # one at a time, as the host does, but not always in one thread
            answered = other.submit(self.ask, client, good, pre_state_root(good)).result()
        assert answered.WhichOneof("outcome") == "computed"

    def test_measuring_computes_the_root(self, client: Client, tmp_path: Path) -> None:
        content = synthetic_block({SENDER: Account(balance=RICH)}, [transaction(value=5)])
        path = write_witness_file(content, tmp_path, sync=False)
        response = self.ask(client, content, pre_state_root(content))
        assert client.measure(file_task(path)) == response.computed.state_root
