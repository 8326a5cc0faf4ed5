"""What every Python client has to keep when it is traced, as tests to inherit beside `ClientContract`."""

from typing import Any

import pytest

from tests.adapters.asking import ask
from tests.adapters.real_block import MAINNET, decoded_block, load_block, needs_real_data, trusted_root
from tests.adapters.synthetic_block import RICH, SENDER, TARGET, Account, pre_state_root, synthetic_block, transaction
from tests.adapters.tracing import Traced, trace_block
from verifier.rpc.host.client import Client
from verifier.rpc.host.worker import call_with_deep_stack
from verifier.rpc.v1 import executor_pb2 as pb
from witness.header import keccak256
from witness.rlp_encoding import encode_item

OTHER = b"\xbb" * 20
INTRINSIC = 21_000  # gas
CALL = 0xF1
PRAGUE = "1_22615247_keth"


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


class TraceContract:
    """Inherit, and give `forks` and a `client` fixture."""

    forks: tuple[str, ...]

    def trace(
        self, client: Client, code: str, other: str = "00", gas: int = 100_000, **keywords: Any
    ) -> tuple[Traced, pb.ExecuteResponse]:
        """The trace of one transaction to a code; the code of OTHER beside it. Both in hexadecimal."""
        accounts = {
            SENDER: Account(balance=RICH),
            TARGET: Account(code=bytes.fromhex(code)),
            OTHER: Account(code=bytes.fromhex(other)),
        }
        content = synthetic_block(accounts, [transaction(gas=gas, **keywords)])
        (found,), outcome = trace_block(client, self.forks, content)
        assert outcome.computed == ask(client, self.forks, content, pre_state_root(content)).computed
        assert found.end is not None
        assert found.end.gas_used == outcome.computed.gas_used
        assert found.end.succeeded == outcome.computed.receipts[0].succeeded
        return found, outcome

    @pytest.mark.parametrize(
        ("code", "steps", "succeeded"),
        [
            ("6001", [(0, 0x60)], True),  # the STOP beyond the end is none
            ("7f01", [(0, 0x7F)], True),  # a PUSH32 that the end cuts short
            ("5f00", [(0, 0x5F), (1, 0x00)], True),
            ("5f0c", [(0, 0x5F), (1, 0x0C)], False),  # undefined
            ("fe", [(0, 0xFE)], False),
            ("5f01", [(0, 0x5F), (1, 0x01)], False),  # too few words
            ("5f56", [(0, 0x5F), (1, 0x56)], False),  # no destination
            ("600456fe5b", [(0, 0x60), (2, 0x56), (4, 0x5B)], True),
            ("5f5ffd", [(0, 0x5F), (1, 0x5F), (2, 0xFD)], False),
        ],
    )
    def test_what_is_a_step(self, client: Client, code: str, steps: list[tuple[int, int]], succeeded: bool) -> None:
        found, _ = self.trace(client, code)
        assert [(pc, op) for _, _, pc, op, _, _ in found.steps] == steps
        assert found.end is not None
        assert found.end.succeeded == succeeded
        reverted = steps[-1][1] == 0xFD
        assert list(found.errors) == ([] if succeeded or reverted else [len(steps) - 1])

    def test_fields_are_those_before_the_instruction(self, client: Client) -> None:
        found, _ = self.trace(client, "60055f0100", gas=INTRINSIC + 100)
        assert found.steps == [
            (1, TARGET, 0, 0x60, 100, b""),
            (1, TARGET, 2, 0x5F, 97, word(5)),
            (1, TARGET, 3, 0x01, 95, word(5) + word(0)),
            (1, TARGET, 4, 0x00, 92, word(5)),
        ]

    def test_out_of_gas_is_a_step(self, client: Client) -> None:
        found, _ = self.trace(client, "5f5f5f", gas=INTRINSIC + 3)
        assert [(pc, gas) for _, _, pc, _, gas, _ in found.steps] == [(0, 3), (1, 1)]
        assert list(found.errors) == [1]

    @pytest.mark.parametrize(("op", "account"), [("f1", OTHER), ("f2", TARGET), ("f4", TARGET), ("fa", OTHER)])
    def test_account_is_whose_storage_is_used(self, client: Client, op: str, account: bytes) -> None:
        value = "5f" if op in ("f1", "f2") else ""
        code = f"5f5f5f5f{value}73{OTHER.hex()}5a{op}5000"
        found, _ = self.trace(client, code, other="3050")
        inner = [step for step in found.steps if step[0] == 2]
        assert [(step[1], step[2], step[3]) for step in inner] == [(account, 0, 0x30), (account, 1, 0x50)]
        assert {step[1] for step in found.steps if step[0] == 1} == {TARGET}
        assert inner[1][5] == word(int.from_bytes(account, "big"))
        after = found.steps[found.steps.index(inner[-1]) + 1]
        assert (after[0], after[3], after[5]) == (1, 0x50, word(1))

    def test_failure_inside_is_the_inner_instructions(self, client: Client) -> None:
        found, _ = self.trace(client, f"5f5f5f5f5f73{OTHER.hex()}5af15000", other="0c")
        (at,) = found.errors
        assert found.steps[at][:4] == (2, OTHER, 0, 0x0C)
        assert found.steps[at + 1][5] == word(0)

    def test_precompiles_have_no_steps(self, client: Client) -> None:
        found, _ = self.trace(client, "5f5f5f5f5f60045af100")
        assert {step[0] for step in found.steps} == {1}
        assert found.steps[-1][5] == word(1)

    def test_creation(self, client: Client) -> None:
        content = synthetic_block({SENDER: Account(balance=RICH)}, [transaction(to=b"", data=bytes.fromhex("5f5ff3"))])
        (found,), outcome = trace_block(client, self.forks, content)
        created = keccak256(encode_item([SENDER, b""]))[12:]
        assert [(step[0], step[1], step[3]) for step in found.steps] == [
            (1, created, 0x5F),
            (1, created, 0x5F),
            (1, created, 0xF3),
        ]
        assert outcome.computed.receipts[0].succeeded

    def test_transactions_asked_for(self, client: Client) -> None:
        accounts = {SENDER: Account(balance=RICH), TARGET: Account(code=b"\x5f\x5f")}
        sent = [transaction(nonce=nonce) for nonce in range(4)]
        content = synthetic_block(accounts, sent)
        found, outcome = trace_block(client, self.forks, content, 1, 2)
        assert [each.start.index for each in found] == [1, 2]
        assert [each.start.hash for each in found] == [keccak256(encode_item(list(sent[at]))) for at in (1, 2)]
        assert [len(each.steps) for each in found] == [2, 2]
        assert len(outcome.computed.receipts) == 4

    def test_broken_rule_is_an_outcome(self, client: Client) -> None:
        content = synthetic_block(
            {SENDER: Account(balance=RICH), TARGET: Account(code=b"\x5f")}, [transaction(), transaction(nonce=7)]
        )
        found, outcome = trace_block(client, self.forks, content)
        assert outcome.broken_rule.rule == pb.RULE_TRANSACTION
        assert len(found[0].steps) == 1
        assert found[1].end is None

    def test_deep_calls(self, client: Client) -> None:
        accounts = {SENDER: Account(balance=RICH), TARGET: Account(code=bytes.fromhex("5f5f5f5f5f305af15000"))}
        content = synthetic_block(accounts, [transaction(gas=25_000_000)])
        (found,), outcome = call_with_deep_stack(lambda: trace_block(client, self.forks, content))
        assert outcome.computed.receipts[0].succeeded
        depths = [step[0] for step in found.steps]
        assert max(depths) > 300
        assert depths[0] == depths[-1] == 1

    def test_nothing_stays_behind(self, client: Client) -> None:
        content = synthetic_block({SENDER: Account(balance=RICH), TARGET: Account(code=b"\x5f")}, [transaction()])
        first, _ = trace_block(client, self.forks, content)
        ask(client, self.forks, content, pre_state_root(content))
        second, _ = trace_block(client, self.forks, content)
        assert first == second

    @needs_real_data
    def test_trace_of_a_real_block(self, client: Client) -> None:
        content = load_block(MAINNET / f"{PRAGUE}.json.gz")
        found, outcome = trace_block(client, self.forks, content)
        assert outcome.computed == ask(client, self.forks, content, trusted_root(content)).computed
        assert [each.start.hash for each in found] == [
            keccak256(each if isinstance(each, bytes) else encode_item(list(each)))
            for each in decoded_block(content)[1]
        ]
        assert [each.end.succeeded for each in found if each.end] == [
            receipt.succeeded for receipt in outcome.computed.receipts
        ]
        assert sum(each.end.gas_used for each in found if each.end) == outcome.computed.gas_used
        assert sum(len(each.steps) for each in found) == 30_025
