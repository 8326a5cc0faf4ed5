"""A client's head is moved, and asked for; against clients that move, that pass it over, and that answer anything."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from tests.verifier.services.builders import header_rlp
from verifier.domain.block import BlockReference
from verifier.executors.stateful.engine_api import ExecutionRpc, RpcError
from verifier.executors.stateful.engine_mover import EngineMover
from verifier.executors.stateful.errors import ExecutionClientError
from verifier.executors.stateful.mover import Moved
from witness.chain_config import ChainConfig
from witness.formats.rpc_header import header_to_object
from witness.header import decode_header, keccak256

CANCUN = ChainConfig(1337, {"chainId": 1337, "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0})
BAD, TARGET = 4, 3  # numbers
ZERO = f"0x{bytes(32).hex()}"


def line(length: int, extra: bytes = b"", on: list[bytes] | None = None) -> list[bytes]:
    """Headers (RLP) from block 0, or on others."""
    headers = list(on or [])
    while len(headers) < length:
        headers.append(header_rlp(len(headers), keccak256(headers[-1]) if headers else bytes(32), extra_data=extra))
    return headers


@dataclass
class Client(ExecutionRpc):
    """An execution client in memory. chain: canonical headers; known: others besides.

    forkchoice, set_head: what those calls do, by name. final, safe: numbers.
    """

    chain: list[bytes]
    forkchoice: str = "moves"
    set_head: str = "moves"
    final: int | None = None
    safe: int | None = None
    known: list[bytes] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def call(self, method: str, *params: Any, timeout: float = 5.0) -> Any:  # noqa: ASYNC109
        if method.startswith("engine_forkchoiceUpdated"):
            self.asked.append((method, *params))
            wanted = params[0]["headBlockHash"]
            return self._act(self.forkchoice, self._number(wanted))
        if method == "debug_setHead":
            self.asked.append((method, *params))
            return self._act(self.set_head, int(params[0], 16))
        if method == "eth_getBlockByHash":
            found = [each for each in (*self.chain, *self.known) if f"0x{keccak256(each).hex()}" == params[0]]
            return _document(found[0]) if found else None
        assert method == "eth_getBlockByNumber", method
        numbers = {"latest": len(self.chain) - 1, "finalized": self.final, "safe": self.safe}
        number = numbers[params[0]] if params[0] in numbers else int(params[0], 16)
        if number is None:
            raise RpcError("finalized block not found", -39001)
        return _document(self.chain[number]) if number < len(self.chain) else None

    def _number(self, wanted: str) -> int | None:
        return next((at for at, each in enumerate(self.chain) if f"0x{keccak256(each).hex()}" == wanted), None)

    def _act(self, how: str, number: int | None) -> Any:
        if how == "fails":
            raise RpcError("it does not want to", -38002)
        if how == "is away":
            raise ExecutionClientError("refused")
        if how == "garbage":
            return [None]
        if how == "moves":
            assert number is not None
            del self.chain[number + 1 :]
        if how == "goes deeper":
            assert number is not None
            del self.chain[number:]
        return {"payloadStatus": {"status": "VALID"}, "payloadId": None}


def _document(encoded: bytes) -> Any:
    return header_to_object(encoded)


def reference(encoded: bytes) -> BlockReference:
    header = decode_header(encoded)
    return BlockReference(1337, header.number, header.hash)


CHAIN = line(8)


def move(client: Client, target: int = TARGET, bad: int = BAD, config: ChainConfig = CANCUN) -> Moved:
    return asyncio.run(EngineMover(client, client, config).move(reference(CHAIN[bad]), reference(CHAIN[target])))


def test_forkchoice_moves_it() -> None:
    client = Client(list(CHAIN), final=1, safe=2)
    assert move(client) == Moved("forkchoice")
    assert client.chain == CHAIN[: TARGET + 1]
    ((method, state, attributes),) = client.asked
    assert (method, attributes) == ("engine_forkchoiceUpdatedV3", None)
    names = ("headBlockHash", "safeBlockHash", "finalizedBlockHash")
    assert [state[name] for name in names] == [f"0x{keccak256(CHAIN[number]).hex()}" for number in (3, 2, 1)]
    assert move(client) == Moved("already")
    assert len(client.asked) == 1


def test_nothing_safe_on_the_branch_that_is_left_is_named() -> None:
    client = Client(list(CHAIN), safe=5)
    assert move(client) == Moved("forkchoice")
    assert (client.asked[0][1]["safeBlockHash"], client.asked[0][1]["finalizedBlockHash"]) == (ZERO, ZERO)


@pytest.mark.parametrize(
    ("config", "method"),
    [
        ({"terminalTotalDifficulty": 0}, "engine_forkchoiceUpdatedV1"),
        ({"londonBlock": 0}, "engine_forkchoiceUpdatedV1"),
        ({"terminalTotalDifficulty": 0, "shanghaiTime": 0}, "engine_forkchoiceUpdatedV2"),
        ({"terminalTotalDifficulty": 0, "amsterdamTime": 0}, "engine_forkchoiceUpdatedV4"),
    ],
)
def test_the_method_is_the_forks(config: dict[str, Any], method: str) -> None:
    client = Client(list(CHAIN))
    move(client, config=ChainConfig(1337, config))
    assert client.asked[0][0] == method


@pytest.mark.parametrize("forkchoice", ["passes it over", "fails", "is away", "garbage"])
def test_where_forkchoice_moves_nothing_set_head_does(forkchoice: str) -> None:
    client = Client(list(CHAIN), forkchoice=forkchoice)
    moved = move(client)
    assert moved.how == "setHead"
    assert moved.note
    assert client.asked[-1] == ("debug_setHead", hex(TARGET))
    assert client.chain == CHAIN[: TARGET + 1]


def test_how_far_it_really_went_is_told() -> None:
    client = Client(list(CHAIN), forkchoice="passes it over", set_head="goes deeper")
    moved = move(client)
    assert moved.how == "setHead"
    assert "its head is block 2 (0x" in moved.note


@pytest.mark.parametrize("set_head", ["passes it over", "fails", "is away", "garbage"])
def test_one_that_does_not_move_is_told_with_both_reasons(set_head: str) -> None:
    client = Client(list(CHAIN), forkchoice="passes it over", set_head=set_head)
    moved = move(client)
    assert moved.how == ""
    assert moved.note.startswith("engine_forkchoiceUpdatedV3 is answered VALID, and its head stayed; ")
    assert client.chain == CHAIN


@pytest.mark.parametrize("final", [4, 7])
def test_it_never_goes_below_what_is_final(final: int) -> None:
    client = Client(list(CHAIN), final=final)
    moved = move(client)
    assert moved == Moved("", f"block {final} is final for it, and block {reference(CHAIN[3])} is not above that")
    assert not client.asked


def test_to_the_final_block_itself_it_goes() -> None:
    assert move(Client(list(CHAIN), final=TARGET)).how == "forkchoice"


def test_one_on_another_branch_is_left_there() -> None:
    client = Client(line(9, b"other", CHAIN[:4]), known=CHAIN[4:])
    assert move(client) == Moved("already")
    assert not client.asked


def test_one_that_lacks_the_target_is_left_alone() -> None:
    client = Client(list(CHAIN))
    strange = reference(header_rlp(3, b"\x09" * 32))
    moved = asyncio.run(EngineMover(client, client, CANCUN).move(reference(CHAIN[BAD]), strange))
    assert moved == Moved("", f"it does not have block {strange}")
    assert not client.asked


@pytest.mark.parametrize("final", [None, 1])
def test_a_number_that_is_another_block_is_never_set(final: int | None) -> None:
    other = line(4, b"other", CHAIN[:3])[3]
    client = Client(list(CHAIN), forkchoice="fails", known=[other], final=final)
    moved = asyncio.run(EngineMover(client, client, CANCUN).move(reference(CHAIN[BAD]), reference(other)))
    assert moved.how == ""
    assert client.chain == CHAIN
    assert all(method != "debug_setHead" for method, *_ in client.asked)


def test_one_that_is_away_raises() -> None:
    async def scenario() -> None:
        async with aiohttp.ClientSession() as session:
            client = ExecutionRpc("http://127.0.0.1:1", session)  # nothing listens there
            await EngineMover(client, client, CANCUN).move(reference(CHAIN[BAD]), reference(CHAIN[TARGET]))

    with pytest.raises(ExecutionClientError):
        asyncio.run(scenario())
