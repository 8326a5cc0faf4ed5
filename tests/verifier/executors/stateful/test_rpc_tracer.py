"""The execution client's own trace, against a server that answers as geth does."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rlp
from aiohttp import web

from tests.verifier.executors.stateful.test_engine_api import Answers, Fault, against
from tests.verifier.executors.stateful.test_struct_log import entry, trace
from tests.verifier.services.builders import block_witness, header_rlp
from verifier.domain.result import Abstention, AbstentionReason, Computed, Result
from verifier.domain.trace import Step, TraceItem, TransactionEnd, TransactionStart
from verifier.executors.stateful.engine_api import ExecutionRpc
from verifier.executors.stateful.rpc_tracer import DELEGATION, RpcTracer
from verifier.executors.stateful.struct_log import LoggedStep
from verifier.executors.stateless.base import ExecutionRequest
from witness.formats.rpc_block import block_to_objects
from witness.header import decode_block_header, keccak256

CONTENT, _ = block_witness(1, header_rlp(0, bytes(32)))
HEADER = decode_block_header(CONTENT.block)
CONTRACT, CALLEE, CREATED, SENDER = b"\x0a" * 20, b"\x0b" * 20, b"\x0c" * 20, b"\x0e" * 20
HASHES = [bytes([index]) * 32 for index in range(3)]
PUSH, CALL, STOP = 0x60, 0xF1, 0x00


def step(depth: int, pc: int, op: int = PUSH, *top_first: bytes) -> LoggedStep:
    return LoggedStep(depth, pc, op, 100, b"".join(word.rjust(32, b"\0") for word in reversed(top_first)), 3, "")


# A call, a transfer, and a creation whose code and whose callee's both run off their ends.
LOGS = [
    [step(1, 0), step(1, 2, CALL, b"\x05", CALLEE), step(2, 0), step(2, 2, STOP), step(1, 3, STOP)],
    [],
    [step(1, 0), step(1, 2, STOP)],
]
CODES = {CONTRACT: bytes(4), CALLEE: bytes(2)}


def hexadecimal(value: bytes) -> str:
    return f"0x{value.hex()}"


def receipt(index: int, **changes: object) -> dict[str, Any]:
    document: dict[str, Any] = {
        "transactionHash": hexadecimal(HASHES[index]),
        "cumulativeGasUsed": hex(21_000 * (index + 1)),
        "status": "0x1" if index != 1 else "0x0",
        "logs": [],
        "contractAddress": hexadecimal(CREATED) if index == 2 else None,
    }
    return document | changes


def answers(*, canonical: bool = True, codes: Mapping[bytes, bytes] | None = None, **changes: Any) -> Answers:
    known = CODES if codes is None else codes
    header = block_to_objects(CONTENT.block)[0] | {"hash": hexadecimal(HEADER.hash)}
    named = [hexadecimal(each) for each in HASHES]
    transactions: list[dict[str, Any]] = [
        {"hash": named[0], "to": hexadecimal(CONTRACT), "input": "0x"},
        {"hash": named[1], "to": hexadecimal(SENDER), "input": "0x"},
        {"hash": named[2], "to": None, "input": "0x6001"},
    ]

    def by_number(number: str, _full: object) -> Any:
        return header if canonical and number == hex(HEADER.number) else None

    def code(address: str, block: dict[str, str]) -> str:
        assert set(block) == {"blockHash"}
        return hexadecimal(known.get(bytes.fromhex(address[2:]), b""))

    return {
        "eth_getBlockByHash": lambda _hash, full: header | {"transactions": transactions} if full else header,
        "eth_getBlockByNumber": by_number,
        "eth_getBlockReceipts": lambda _hash: [receipt(index) for index in range(3)],
        "eth_getCode": code,
        "debug_traceTransaction": lambda name, _options: trace(LOGS[named.index(name)]),
        "debug_traceBlockByHash": lambda _hash, _options: [
            {"txHash": name, "result": trace(logs)} for name, logs in zip(named, LOGS, strict=True)
        ],
        **changes,
    }


REQUEST = ExecutionRequest(Path("block.witness"), HEADER.hash, bytes(32), 30.0)


def traced(
    told: Answers, first: int = 0, count: int = 0, request: ExecutionRequest = REQUEST
) -> tuple[Sequence[TraceItem], Result]:
    async def scenario(client: ExecutionRpc) -> tuple[Sequence[TraceItem], Result]:
        items: list[TraceItem] = []
        async with aclosing(RpcTracer(client, "node", "geth").trace(request, first, count)) as stream:
            async for each in stream:
                if isinstance(each, Result):
                    return items, each
                items += each
        raise AssertionError("a trace ends with its result")

    return against(told, scenario)


def told_step(depth: int, account: bytes, pc: int, op: int = PUSH, *top_first: bytes) -> Step:
    return Step(depth, account, pc, op, 100, step(depth, pc, op, *top_first).stack)


FIRST = [
    TransactionStart(0, HASHES[0]),
    told_step(1, CONTRACT, 0),
    told_step(1, CONTRACT, 2, CALL, b"\x05", CALLEE),
    told_step(2, CALLEE, 0),  # its code has two bytes: the STOP behind it is no step
    told_step(1, CONTRACT, 3, STOP),
    TransactionEnd(0, True, 21_000, 4),
]
SECOND = [TransactionStart(1, HASHES[1]), TransactionEnd(1, False, 21_000, 0)]
THIRD = [TransactionStart(2, HASHES[2]), told_step(1, CREATED, 0), TransactionEnd(2, True, 21_000, 1)]


@pytest.mark.parametrize("canonical", [True, False])
def test_it_tells_steps_as_the_contract_has_them(*, canonical: bool) -> None:
    """By its transactions where the block is canonical, else whole."""
    items, result = traced(answers(canonical=canonical))
    assert list(items) == [*FIRST, *SECOND, *THIRD]
    outcome = result.outcome
    assert isinstance(outcome, Computed)
    assert (outcome.state_root, outcome.gas_used) == (HEADER.state_root, HEADER.gas_used)
    assert [each.cumulative_gas_used for each in outcome.receipts] == [21_000, 42_000, 63_000]
    assert {each.logs_hash for each in outcome.receipts} == {keccak256(b"\xc0")}
    assert [each.succeeded for each in outcome.receipts] == [True, False, True]


@pytest.mark.parametrize("canonical", [True, False])
def test_a_range(*, canonical: bool) -> None:
    assert list(traced(answers(canonical=canonical), 1, 1)[0]) == SECOND
    assert list(traced(answers(canonical=canonical), 1)[0]) == [*SECOND, *THIRD]
    assert list(traced(answers(canonical=canonical), 3)[0]) == []


def test_only_the_wanted_transaction_is_asked_for() -> None:
    asked: list[str] = []

    def one(name: str, _options: object) -> Any:
        asked.append(name)
        return trace(LOGS[0])

    traced(answers(debug_traceTransaction=one), 0, 1)
    assert asked == [hexadecimal(HASHES[0])]


def test_a_client_that_is_moved_off_the_block_meanwhile_is_asked_for_the_whole_block() -> None:
    """As one is that is concluded INVALID while it is looked into."""
    canonical = iter([True])
    whole = answers()

    def by_number(number: str, full: object) -> Any:
        return whole["eth_getBlockByNumber"](number, full) if next(canonical, False) else None

    def one(name: str, options: object) -> Any:
        if name != hexadecimal(HASHES[0]):
            return Fault({"code": -32000, "message": "transaction not found"})
        return whole["debug_traceTransaction"](name, options)

    items, result = traced(answers(eth_getBlockByNumber=by_number, debug_traceTransaction=one))
    assert list(items) == [*FIRST, *SECOND, *THIRD]
    assert isinstance(result.outcome, Computed)


def test_a_delegating_accounts_code_is_its_delegates() -> None:
    codes = {CONTRACT: bytes(4), CALLEE: DELEGATION + SENDER, SENDER: bytes(3)}
    items, _ = traced(answers(codes=codes), 0, 1)
    assert told_step(2, CALLEE, 2, STOP) in items  # three bytes: it is an instruction


def test_where_the_code_is_not_known_a_stop_is_a_step() -> None:
    items, _ = traced(answers(eth_getCode=Fault({"code": -32000, "message": "missing trie node"})), 0, 1)
    assert sum(isinstance(each, Step) for each in items) == 5


def test_logs_are_hashed_as_the_contract_has_it() -> None:
    log = {"address": hexadecimal(CONTRACT), "topics": [hexadecimal(bytes(32))], "data": "0x01"}
    receipts = [receipt(0, logs=[log]), receipt(1), receipt(2)]
    _, result = traced(answers(eth_getBlockReceipts=lambda _: receipts), 1, 1)
    assert isinstance(result.outcome, Computed)
    assert result.outcome.receipts[0].logs_hash == keccak256(rlp.encode([[CONTRACT, [bytes(32)], b"\x01"]]))


MALFORMED, REFUSED, UNAVAILABLE = AbstentionReason.CRASHED, AbstentionReason.REFUSED, AbstentionReason.UNAVAILABLE
NO_METHOD = Fault({"code": -32601, "message": "the method debug_traceTransaction does not exist"})


@pytest.mark.parametrize(
    ("changes", "reason", "text"),
    [
        ({"eth_getBlockByHash": None}, REFUSED, "does not have the block"),
        ({"eth_getBlockReceipts": None}, REFUSED, "no receipts"),
        ({"eth_getBlockReceipts": lambda _: [receipt(0)]}, UNAVAILABLE, "1 receipts of 3 transactions"),
        ({"eth_getBlockReceipts": lambda _: [receipt(1)] * 3}, UNAVAILABLE, "of other transactions"),
        ({"eth_getBlockReceipts": lambda _: [receipt(i, status=None) for i in range(3)]}, REFUSED, "before Byzantium"),
        ({"eth_getBlockReceipts": lambda _: [receipt(i, logs=5) for i in range(3)]}, UNAVAILABLE, "logs"),
        ({"debug_traceTransaction": NO_METHOD}, REFUSED, "does not exist"),
        ({"debug_traceTransaction": lambda *_: None}, MALFORMED, "no result"),
        ({"debug_traceTransaction": lambda *_: trace([step(2, 0)])}, MALFORMED, "at depth 2"),
        ({"debug_traceTransaction": lambda *_: {"structLogs": [1]}}, MALFORMED, "no object"),
        ({"debug_traceTransaction": lambda *_: web.Response(text="nonsense")}, MALFORMED, "not JSON"),
        ({"debug_traceTransaction": lambda *_: web.Response(status=401)}, UNAVAILABLE, "HTTP 401"),
    ],
)
def test_whatever_the_client_does_is_an_abstention(changes: Answers, reason: AbstentionReason, text: str) -> None:
    _, result = traced(answers(**changes))
    assert isinstance(result.outcome, Abstention)
    assert result.outcome.reason is reason
    assert text in result.outcome.detail


@pytest.mark.parametrize("logs", [LOGS[:2], [*LOGS, []]])
def test_a_block_of_other_transactions(logs: Sequence[Sequence[LoggedStep]]) -> None:
    def whole(_hash: str, _options: object) -> Any:
        return [{"txHash": "0x", "result": trace(each)} for each in logs]

    _, result = traced(answers(canonical=False, debug_traceBlockByHash=whole))
    assert isinstance(result.outcome, Computed if len(logs) > 3 else Abstention)


def test_many_steps_come_in_batches() -> None:
    sizes: list[int] = []
    many = {"structLogs": [entry(step(1, pc)) for pc in range(1000)]}

    async def scenario(client: ExecutionRpc) -> None:
        async with aclosing(RpcTracer(client, "node", "geth").trace(REQUEST, 0, 1)) as stream:
            async for each in stream:
                if not isinstance(each, Result):
                    sizes.append(len(each))

    against(answers(debug_traceTransaction=lambda *_: many), scenario)
    assert sum(sizes) == 1002
    assert max(sizes) == 256


def test_a_client_that_hangs() -> None:
    hanging = replace(REQUEST, deadline=0.05)

    async def scenario(client: ExecutionRpc) -> Result:
        async def never(*_: object, **__: object) -> None:
            await asyncio.Event().wait()

        client.call = never  # type: ignore[method-assign]
        return await RpcTracer(client, "node", "geth").execute(hanging)

    outcome = against(answers(), scenario).outcome
    assert isinstance(outcome, Abstention)
    assert outcome.reason is AbstentionReason.TIMEOUT


def test_its_receipts_alone() -> None:
    async def scenario(client: ExecutionRpc) -> Result:
        return await RpcTracer(client, "node", "geth").execute(REQUEST)

    outcome = against(answers(debug_traceTransaction=NO_METHOD), scenario).outcome
    assert isinstance(outcome, Computed)
    assert len(outcome.receipts) == 3
