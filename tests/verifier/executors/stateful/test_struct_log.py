"""structLogs taken apart: the same steps however the answer is cut, and nothing but our own error for anything else."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.opcode import OPCODES, opcode_name
from verifier.domain.trace import WORD
from verifier.executors.stateful import struct_log
from verifier.executors.stateful.struct_log import (
    LoggedEnd,
    LoggedItem,
    LoggedStep,
    MalformedTraceError,
    RefusedTraceError,
    StructLogReader,
)

STEPS = st.builds(
    LoggedStep,
    depth=st.integers(1, 1025),
    pc=st.integers(0, 1 << 20),
    op=st.integers(0, 255),
    gas=st.integers(0, (1 << 64) - 1),
    stack=st.lists(st.binary(min_size=WORD, max_size=WORD), max_size=4).map(b"".join),
    gas_cost=st.integers(0, (1 << 64) - 1),
    error=st.sampled_from(["", "out of gas"]),
)
BLOCKS = st.lists(st.lists(STEPS, max_size=4), max_size=4)


def entry(step: LoggedStep) -> dict[str, Any]:
    """As geth writes it."""
    words = [step.stack[at : at + WORD] for at in range(0, len(step.stack), WORD)]
    document: dict[str, Any] = {
        "pc": step.pc,
        "op": opcode_name(step.op) if step.op in OPCODES else f"opcode {hex(step.op)} not defined",
        "gas": step.gas,
        "gasCost": step.gas_cost,
        "depth": step.depth,
        "stack": [hex(int.from_bytes(word, "big")) for word in words],
    }
    return document | ({"error": step.error} if step.error else {})


def trace(steps: Sequence[LoggedStep]) -> dict[str, Any]:
    return {"gas": 21_000, "failed": False, "returnValue": "0x", "structLogs": [entry(step) for step in steps]}


def answer(result: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()


def read(data: bytes, size: int = 1 << 16, *, block: bool = True) -> list[LoggedItem]:
    def items() -> Iterator[LoggedItem]:
        reader = StructLogReader(block=block)
        for at in range(0, len(data), size):
            yield from reader.read(data[at : at + size])
        yield from reader.close()

    return list(items())


@given(BLOCKS, st.integers(1, 200))
def test_a_block_however_it_is_cut(transactions: list[list[LoggedStep]], size: int) -> None:
    result = [{"txHash": f"0x{index:064x}", "result": trace(steps)} for index, steps in enumerate(transactions)]
    expected: list[LoggedItem] = []
    for steps in transactions:
        expected += [*steps, LoggedEnd()]
    assert read(answer(result), size) == expected


@given(st.lists(STEPS, max_size=4), st.integers(1, 200))
def test_a_transaction(steps: list[LoggedStep], size: int) -> None:
    assert read(answer(trace(steps)), size, block=False) == [*steps, LoggedEnd()]


@given(st.lists(STEPS, min_size=1, max_size=2), st.data())
def test_a_damaged_answer_is_our_error_or_another_trace(steps: list[LoggedStep], data: st.DataObject) -> None:
    encoded = bytearray(answer([{"txHash": "0x", "result": trace(steps)}]))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedTraceError, RefusedTraceError):
        read(bytes(encoded))


@given(st.binary(max_size=100))
def test_anything_else_is_our_error(data: bytes) -> None:
    with pytest.raises(MalformedTraceError):
        read(data)


@given(st.lists(STEPS, min_size=1, max_size=3), st.data())
def test_an_answer_that_breaks_off(steps: list[LoggedStep], data: st.DataObject) -> None:
    encoded = answer([{"txHash": "0x", "result": trace(steps)}])
    with pytest.raises(MalformedTraceError):
        read(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


WRONG: dict[str, list[object]] = {
    "depth": [0, 1026, -1, 1.5, None, "1", True],
    "pc": [-1, 1 << 33, [], "0xzz"],
    "gas": [-1, 1 << 64, None, {}],
    "op": ["NONSENSE", 1, None, ""],
    "stack": [["0x" + "1" * 65], ["zz"], [1], [["0x1"]], ["0x1 "], ["0x1"] * 1025],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_values_that_no_step_has(name: str, value: object) -> None:
    document = entry(LoggedStep(1, 0, 0x60, 5, b"", 3, ""))
    with pytest.raises(MalformedTraceError):
        read(answer(trace([]) | {"structLogs": [document | {name: value}]}), block=False)


@pytest.mark.parametrize("document", [1, [], "x", None])
def test_an_entry_that_is_no_object(document: object) -> None:
    with pytest.raises(MalformedTraceError):
        read(answer(trace([]) | {"structLogs": [document]}), block=False)


def test_no_result() -> None:
    with pytest.raises(MalformedTraceError, match="no result"):
        read(answer(None))


def test_what_the_client_refuses() -> None:
    error = json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "block\nnot found"}})
    with pytest.raises(RefusedTraceError, match="block not found"):
        read(error.encode())
    with pytest.raises(RefusedTraceError, match="execution timeout"):
        read(answer([{"txHash": "0x", "error": "execution timeout"}]))


def test_other_names_of_the_same_instructions() -> None:
    names = {"SHA3": 0x20, "DIFFICULTY": 0x44, "PREVRANDAO": 0x44, "KECCAK256": 0x20, "opcode 0xc not defined": 0x0C}
    document = entry(LoggedStep(1, 0, 0x60, 5, b"", 3, ""))
    logs = [document | {"op": name, "gas": "0x5"} for name in names]
    items = read(answer(trace([]) | {"structLogs": logs}), block=False)
    assert [item.op for item in items if isinstance(item, LoggedStep)] == list(names.values())


def test_a_text_without_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(struct_log, "MAX_TEXT", 1000)
    reader = StructLogReader(block=False)
    list(reader.read(b'{"result": {"returnValue": "0x'))
    for _ in range(10):
        list(reader.read(b"00" * 50))
    with pytest.raises(MalformedTraceError, match="without anything"):
        list(reader.read(b"00" * 50))
