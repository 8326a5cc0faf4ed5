"""What every Python client has to keep, as tests to inherit: `class TestX(ClientContract)` with a `client` fixture."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rlp

from tests.adapters.real_block import (
    INCOMPLETE,
    MAINNET,
    decoded_block,
    load_block,
    needs_real_data,
    rebuilt,
    trusted_root,
)
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
    quantity,
    state_trie,
    synthetic_block,
    transaction,
    with_config,
)
from verifier.rpc.host.client import Client
from verifier.rpc.host.worker import call_with_deep_stack, execute
from verifier.rpc.v1 import executor_pb2 as pb
from witness.file import encode_witness_file
from witness.header import FIELDS, decode_block_header, keccak256
from witness.model import BlockWitness
from witness.rlp_encoding import encode_list

POSITION = {name: position for position, (name, _) in enumerate(FIELDS)}
PRAGUE = "1_22615247_keth"
MISSING_NODE = "8a3d287b464732615d9fbbb597e156d4b694c3634d77b057bc2965d61c99a32b"
NO_PARENT = ("17000_2860556_scroll", "17000_2965788_scroll", "17000_2971844_scroll")
CLAIMED_HASHES = "17000_2971847_scroll"  # BLOCKHASH is used; the hashes are claimed, not proven
BLOCKS = sorted(path.name.removesuffix(".json.gz") for path in MAINNET.glob("*.json.gz")) or ["none"]


def ask(
    client: Client, forks: tuple[str, ...], content: BlockWitness, root: bytes | None = None, *, optional: bool = False
) -> pb.ExecuteResponse:
    """One request, as a worker does it."""
    request = pb.ExecuteRequest(
        content=encode_witness_file(content),
        block_hash=content.hash,
        pre_state_root=root if root is not None else trusted_root(content),
        mode=pb.MODE_PROOF,
        parent_header_optional=optional,
    )
    return execute(client, request, frozenset(forks))


def differences(response: pb.ExecuteResponse, content: BlockWitness) -> list[str]:
    """The fields in which what was computed differs from the header."""
    computed, header = response.computed, decode_block_header(content.block)
    values = {
        "state_root": computed.state_root,
        "receipts_root": computed.receipts_root,
        "logs_bloom": computed.logs_bloom,
        "gas_used": computed.gas_used,
        "transactions_root": computed.transactions_root,
        "blob_gas_used": computed.blob_gas_used if computed.HasField("blob_gas_used") else None,
        "withdrawals_root": computed.withdrawals_root if computed.HasField("withdrawals_root") else None,
        "requests_hash": computed.requests_hash if computed.HasField("requests_hash") else None,
    }
    return [name for name, value in values.items() if value != getattr(header, name)]


def vote(response: pb.ExecuteResponse, content: BlockWitness) -> str:
    """VALID, INVALID or ABSTAIN, as the verifier reads it."""
    match response.WhichOneof("outcome"):
        case "computed":
            return "INVALID" if differences(response, content) else "VALID"
        case "broken_rule":
            return "INVALID"
    return "ABSTAIN"


def abstention(response: pb.ExecuteResponse) -> str:
    """The reason of an abstention, in lower case."""
    assert response.WhichOneof("outcome") == "abstention", response
    return pb.AbstentionReason.Name(response.abstention.reason).removeprefix("ABSTENTION_REASON_").lower()


def insufficient(response: pb.ExecuteResponse) -> list[pb.Missing]:
    """What an answer names as missing; fails if it is another answer."""
    assert abstention(response) == "witness_insufficient", response
    assert response.abstention.missing
    return list(response.abstention.missing)


class ClientContract:
    """Inherit, and give `forks`, `unsupported` (chain config of a fork it lacks), `stride` and a `client` fixture."""

    forks: tuple[str, ...]
    unsupported: dict[str, int]
    stride: int  # of the nodes and codes of the Prague block that are dropped in turn
    checks_gas_used: bool

    def ask(self, client: Client, content: BlockWitness, root: bytes | None = None, **keywords: bool) -> Any:
        """See `ask`."""
        return ask(client, self.forks, content, root, **keywords)

    # Real blocks

    @needs_real_data
    @pytest.mark.parametrize("name", BLOCKS)
    def test_real_block(self, client: Client, name: str) -> None:
        content = load_block(MAINNET / f"{name}.json.gz")
        if name == CLAIMED_HASHES:
            (missing,) = insufficient(self.ask(client, content))
            assert (missing.kind, missing.number) == (pb.Missing.KIND_HEADER, 2971840)
            return
        if name in NO_PARENT:
            (missing,) = insufficient(self.ask(client, content))
            assert missing.hash == decode_block_header(content.block).parent_hash
        response = self.ask(client, content, optional=True)
        assert response.WhichOneof("outcome") == "computed", response
        assert differences(response, content) == []
        assert bool(response.computed.unchecked_rules) == (name in NO_PARENT)
        receipts = response.computed.receipts
        assert len(receipts) == len(decoded_block(content)[1])
        assert (receipts[-1].cumulative_gas_used if receipts else 0) == response.computed.gas_used
        byzantium = content.chain_id != 1 or content.number >= 4_370_000
        assert all(receipt.HasField("succeeded") == byzantium for receipt in receipts)
        assert all(receipt.HasField("post_state") != byzantium for receipt in receipts)

    @needs_real_data
    @pytest.mark.parametrize(
        ("name", "number"),
        [("holesky_2860557_scroll", 2860551), ("holesky_2965790_scroll", 2965783), ("holesky_2965792_scroll", 2965783)],
    )
    def test_ancestor_is_missing(self, client: Client, name: str, number: int) -> None:
        content = load_block(INCOMPLETE / f"{name}.json.gz")
        (missing,) = insufficient(self.ask(client, content))
        assert (missing.kind, missing.number) == (pb.Missing.KIND_HEADER, number)

    @needs_real_data
    def test_node_of_a_call_without_value_is_missing(self, client: Client) -> None:
        missing = insufficient(self.ask(client, load_block(INCOMPLETE / "1_22188088_keth.json.gz")))
        assert [(each.kind, each.hash.hex()) for each in missing] == [(pb.Missing.KIND_NODE, MISSING_NODE)]

    @needs_real_data
    def test_parent_is_missing(self, client: Client) -> None:
        content = load_block(INCOMPLETE / "mainnet_23587691_scroll.json.gz")
        (missing,) = insufficient(self.ask(client, content))
        assert missing.hash == decode_block_header(content.block).parent_hash
        response = self.ask(client, content, optional=True)
        assert vote(response, content) == "VALID"
        assert pb.RULE_BASE_FEE in response.computed.unchecked_rules
        assert pb.RULE_EXCESS_BLOB_GAS in response.computed.unchecked_rules

    @needs_real_data
    def test_dropped_nodes_and_codes(self, client: Client) -> None:
        content = load_block(MAINNET / f"{PRAGUE}.json.gz")
        witness = content.witness
        total = len(witness.state) + len(witness.codes)
        abstained = 0
        for dropped in range(0, total, self.stride):
            state, codes = list(witness.state), list(witness.codes)
            removed = state.pop(dropped) if dropped < len(state) else codes.pop(dropped - len(state))
            response = self.ask(client, replace(content, witness=replace(witness, state=state, codes=codes)))
            if vote(response, content) == "VALID":
                continue
            abstained += 1
            assert keccak256(removed) in [missing.hash for missing in insufficient(response)]
        assert abstained > total // self.stride // 2

    @needs_real_data
    def test_changed_bytes_of_nodes_and_codes(self, client: Client) -> None:
        content = load_block(MAINNET / "1_1150001_zeth.json.gz")
        witness = content.witness
        chance = random.Random(20250101)
        for _ in range(60):
            state, codes = [bytearray(node) for node in witness.state], [bytearray(code) for code in witness.codes]
            for _ in range(chance.choice((1, 1, 3))):
                target = chance.choice(state + codes)
                target[chance.randrange(len(target))] ^= 1 << chance.randrange(8)
            changed = replace(witness, state=[bytes(node) for node in state], codes=[bytes(code) for code in codes])
            response = self.ask(client, replace(content, witness=changed))
            assert vote(response, content) == "VALID" or insufficient(response)

    @needs_real_data
    def test_one_block_leaves_nothing_for_the_next(self, client: Client) -> None:
        prague, homestead = (load_block(MAINNET / f"{name}.json.gz") for name in (PRAGUE, "1_1150001_zeth"))
        bad = replace(prague, witness=replace(prague.witness, state=prague.witness.state[10:]))
        first = self.ask(client, homestead)
        insufficient(self.ask(client, bad))
        again = self.ask(client, homestead)
        assert first.computed == again.computed
        assert vote(again, homestead) == "VALID"

    # Tampered headers and bodies

    HEADER_RULES: tuple[tuple[str, Callable[[int], int], pb.Rule], ...] = (
        ("number", lambda value: value + 1, pb.RULE_NUMBER),
        ("timestamp", lambda value: value - 12, pb.RULE_TIMESTAMP),
        ("gas_limit", lambda value: value * 2, pb.RULE_GAS_LIMIT),
        ("gas_limit", lambda value: value + value // 1024 + 40_000, pb.RULE_GAS_LIMIT),
        ("base_fee", lambda value: value + 1, pb.RULE_BASE_FEE),
        ("difficulty", lambda _: 1, pb.RULE_DIFFICULTY),
        ("excess_blob_gas", lambda value: value + 131_072, pb.RULE_EXCESS_BLOB_GAS),
        ("blob_gas_used", lambda value: value + 131_072, pb.RULE_BLOB_GAS_USED),
    )
    HEADER_BYTES: tuple[tuple[str, bytes, pb.Rule], ...] = (
        ("uncles_hash", b"\1" * 32, pb.RULE_UNCLES_HASH),
        ("transactions_root", b"\1" * 32, pb.RULE_TRANSACTIONS_ROOT),
        ("withdrawals_root", b"\1" * 32, pb.RULE_WITHDRAWALS_ROOT),
        ("nonce", b"\1" * 8, pb.RULE_NONCE),
        ("extra_data", bytes(33), pb.RULE_EXTRA_DATA),
    )

    @needs_real_data
    def test_header_rules(self, client: Client) -> None:
        content = load_block(MAINNET / f"{PRAGUE}.json.gz")
        changes: list[tuple[str, bytes, pb.Rule]] = list(self.HEADER_BYTES)
        header = decoded_block(content)[0]
        for name, change, rule in self.HEADER_RULES:
            value = int.from_bytes(header[POSITION[name]], "big")
            changes.append((name, quantity(change(value)), rule))
        for name, changed, rule in changes:
            block = decoded_block(content)
            block[0][POSITION[name]] = changed
            response = self.ask(client, rebuilt(content, block), trusted_root(content))
            assert response.broken_rule.rule == rule, (name, response)
            assert response.broken_rule.detail

    @needs_real_data
    def test_computed_fields_are_computed(self, client: Client) -> None:
        content = load_block(MAINNET / f"{PRAGUE}.json.gz")
        block = decoded_block(content)
        for name in ("state_root", "receipts_root", "requests_hash"):
            block[0][POSITION[name]] = b"\1" * 32
        block[0][POSITION["logs_bloom"]] = b"\1" * 256
        block[0][POSITION["gas_used"]] = quantity(1)
        tampered = rebuilt(content, block)
        response = self.ask(client, tampered, trusted_root(content))
        expected = ["state_root", "receipts_root", "logs_bloom", "gas_used", "requests_hash"]
        assert differences(response, tampered) == expected
        assert differences(response, content) == []

    @needs_real_data
    def test_gas_used_above_the_limit(self, client: Client) -> None:
        content = load_block(MAINNET / f"{PRAGUE}.json.gz")
        block = decoded_block(content)
        block[0][POSITION["gas_used"]] = quantity(10**9)
        tampered = rebuilt(content, block)
        response = self.ask(client, tampered, trusted_root(content))
        if self.checks_gas_used:
            assert response.broken_rule.rule == pb.RULE_GAS_USED
        else:
            assert differences(response, tampered) == ["gas_used"]

    @needs_real_data
    def test_bodies(self, client: Client) -> None:
        content = load_block(MAINNET / f"{PRAGUE}.json.gz")
        encoding, transactions, withdrawals = (
            pb.RULE_BLOCK_ENCODING,
            pb.RULE_TRANSACTIONS_ROOT,
            pb.RULE_WITHDRAWALS_ROOT,
        )
        cases: list[tuple[Callable[[list[Any]], object], tuple[pb.Rule, ...]]] = [
            (lambda block: block[1].pop(), (transactions,)),
            (lambda block: block[1].reverse(), (transactions,)),
            (lambda block: block[1].append(b"\x02garbage"), (encoding,)),
            (lambda block: block[1].append(b""), (encoding,)),
            (lambda block: block[1].append(b"\x7f"), (encoding,)),
            (lambda block: block[1].append([]), (encoding,)),
            (lambda block: block[2].append(block[0]), (encoding, pb.RULE_UNCLES)),
            (lambda block: block[3].pop(), (withdrawals,)),
            (lambda block: block[3].append([b"", b"", b"", b""]), (encoding, withdrawals)),
            (lambda block: block.pop(), (encoding,)),
            (lambda block: block.append(b""), (encoding,)),
            (lambda block: block[0].pop(), (pb.RULE_HEADER_FIELDS,)),
            (lambda block: block[0].append(b"\1" * 32), (pb.RULE_HEADER_FIELDS,)),
        ]
        for index, (change, rules) in enumerate(cases):
            block = decoded_block(content)
            change(block)
            response = self.ask(client, rebuilt(content, block), trusted_root(content))
            assert response.broken_rule.rule in rules, (index, response)
        tail = replace(content, block=bytes(content.block) + b"\0")
        assert self.ask(client, tail, trusted_root(content)).broken_rule.rule == encoding

    @needs_real_data
    @pytest.mark.parametrize(
        ("name", "change", "rule"),
        [
            ("difficulty", lambda value: value + 1, pb.RULE_DIFFICULTY),
            ("timestamp", lambda value: value - 1000, pb.RULE_TIMESTAMP),
            ("gas_limit", lambda value: value * 2, pb.RULE_GAS_LIMIT),
            ("number", lambda value: value + 1, pb.RULE_NUMBER),
        ],
    )
    def test_header_rules_before_paris(
        self, client: Client, name: str, change: Callable[[int], int], rule: pb.Rule
    ) -> None:
        content = load_block(MAINNET / "1_1150001_zeth.json.gz")
        block = decoded_block(content)
        block[0][POSITION[name]] = quantity(change(int.from_bytes(block[0][POSITION[name]], "big")))
        response = self.ask(client, rebuilt(content, block), trusted_root(content))
        assert response.broken_rule.rule == rule, response

    @needs_real_data
    def test_dao_fork_extra_data(self, client: Client) -> None:
        content = load_block(MAINNET / "1_1920000_zeth.json.gz")
        block = decoded_block(content)
        block[0][POSITION["extra_data"]] = b"no-hard-fork"
        response = self.ask(client, rebuilt(content, block), trusted_root(content))
        assert response.broken_rule.rule == pb.RULE_EXTRA_DATA

    # A chain of our own

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
        from verifier.rpc.host.task import file_task
        from witness.file import write_witness_file

        content = synthetic_block({SENDER: Account(balance=RICH)}, [transaction(value=5)])
        path = write_witness_file(content, tmp_path, sync=False)
        response = self.ask(client, content, pre_state_root(content))
        assert client.measure(file_task(path)) == response.computed.state_root
