"""What every Python client has to keep, as tests to inherit: `class TestX(ClientContract)` with a `client` fixture."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.adapters.asking import differences, insufficient, vote
from tests.adapters.own_chain_contract import OwnChainContract
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
    quantity,
)
from verifier.rpc.host.client import Client
from verifier.rpc.v1 import executor_pb2 as pb
from witness.header import FIELDS, decode_block_header, keccak256

POSITION = {name: position for position, (name, _) in enumerate(FIELDS)}
PRAGUE = "1_22615247_keth"
MISSING_NODE = "8a3d287b464732615d9fbbb597e156d4b694c3634d77b057bc2965d61c99a32b"
NO_PARENT = ("17000_2860556_scroll", "17000_2965788_scroll", "17000_2971844_scroll")
CLAIMED_HASHES = "17000_2971847_scroll"  # BLOCKHASH is used; the hashes are claimed, not proven
BLOCKS = sorted(path.name.removesuffix(".json.gz") for path in MAINNET.glob("*.json.gz")) or ["none"]


class ClientContract(OwnChainContract):
    """Inherit, and give `forks`, `unsupported` (chain config of a fork it lacks), `stride` and a `client` fixture."""

    stride: int  # of the nodes and codes of the Prague block that are dropped in turn
    checks_gas_used: bool
    reserved: tuple[str, ...] = ()  # real blocks of which a rule cannot be checked though the parent is there

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
        assert bool(response.computed.unchecked_rules) == (name in (*NO_PARENT, *self.reserved))
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
