"""A running execution client, asked over JSON-RPC for blocks, witnesses, chain config and version.

The Engine API itself is the gate's (verifier.engine). What is asked here is in the namespaces eth, web3, debug and
admin, which clients serve elsewhere: geth has none but eth and engine on its authenticated port, so it needs
`--http --http.api eth,web3,debug,admin`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, TypeVar

import aiohttp

from verifier.errors import InputError
from witness.chain_config import encode_chain_config, known_chain_config, parse_chain_config
from witness.check import check_body
from witness.errors import ChainConfigError, EncodingError, WitnessError
from witness.file import parent_state_root
from witness.formats.assembly import Parts, assemble
from witness.formats.json_field import as_object, as_octets, as_quantity, hex_octets, hex_quantity
from witness.formats.rpc_block import block_from_json
from witness.formats.rpc_header import header_from_object
from witness.formats.rpc_json import witness_from_json
from witness.header import decode_block_header, decode_header
from witness.json_document import load_json
from witness.model import BlockWitness, Header

from .errors import ExecutionClientError, NoWitnessError, NoWitnessMethodError
from .source import Recorded

T = TypeVar("T")
LOOKUP_TIMEOUT = 5.0  # seconds for what a client only looks up; the Engine API gives getPayload one
# Seconds for what it executes a block for: the slowest full blocks take a client some seconds, and its answer is tens
# of megabytes of hexadecimal.
WITNESS_TIMEOUT = 30.0
LARGEST_ANSWER = 1 << 28  # bytes; ten times the largest witness seen on mainnet, in hexadecimal
STREAM_PART = 1 << 16  # bytes at once of an answer that is read as it comes: a few milliseconds to take apart
METHOD_NOT_FOUND, INVALID_PARAMS = -32601, -32602  # JSON-RPC 2.0, section 5.1
UNKNOWN_BLOCK = -39001  # execution-apis, eth_getBlockByNumber
FORMAT = "debug_executionWitness"


class RpcError(ExecutionClientError):
    """The client answered with an error. code: of JSON-RPC, 0 where it has none."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


class ExecutionRpc:
    """JSON-RPC to one execution client. All methods raise ExecutionClientError.

    url: http or https. authorize: headers for every request, where it wants any (a JWT); called each time.
    """

    def __init__(
        self, url: str, session: aiohttp.ClientSession, authorize: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        self._url = url
        self._session = session
        self._authorize = authorize

    async def call(self, method: str, *params: object, timeout: float = LOOKUP_TIMEOUT) -> Any:  # noqa: ASYNC109
        """The result of one call. timeout: seconds. Raises RpcError where the client answers an error."""
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            async with asyncio.timeout(timeout):
                answer = await self._post(request.encode())
        except TimeoutError:
            raise ExecutionClientError(f"{method}: the execution client does not answer in {timeout:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise ExecutionClientError(f"{method}: the execution client cannot be reached: {why}") from None
        try:
            document = as_object(await asyncio.to_thread(load_json, answer), "answer")
        except (ValueError, RecursionError, WitnessError) as error:
            raise ExecutionClientError(f"{method}: the answer is not JSON-RPC: {error!s:.200}") from None
        fault = document.get("error")
        if fault is not None:
            code, message = (
                (fault.get("code"), fault.get("message")) if isinstance(fault, dict) else (0, json.dumps(fault))
            )
            text = " ".join(str(message).split())
            raise RpcError(f"{method}: {text:.300}", code if isinstance(code, int) else 0)
        if "result" not in document:
            raise ExecutionClientError(f"{method}: the answer has neither result nor error")
        return document["result"]

    async def stream(self, method: str, *params: object) -> AsyncGenerator[bytes, None]:
        """The JSON-RPC answer to one call as it comes, however long: what is not read yet waits at the client.

        Not limited in time. Raises ExecutionClientError; an error that the client answers is in the bytes.
        """
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        headers = {"Content-Type": "application/json", **self._authorize()}
        timeout = aiohttp.ClientTimeout(total=None)
        try:
            async with self._session.post(
                self._url, data=request.encode(), headers=headers, allow_redirects=False, timeout=timeout
            ) as response:
                if response.status in (401, 403):
                    raise ExecutionClientError(f"the execution client refuses the request: HTTP {response.status}")
                async for part in response.content.iter_chunked(STREAM_PART):
                    yield part
        except (aiohttp.ClientError, OSError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise ExecutionClientError(f"{method}: the execution client cannot be reached: {why}") from None

    async def _post(self, request: bytes) -> bytes:
        headers = {"Content-Type": "application/json", **self._authorize()}
        async with self._session.post(self._url, data=request, headers=headers, allow_redirects=False) as response:
            parts, length = [], 0
            async for part in response.content.iter_any():
                parts.append(part)
                length += len(part)
                if length > LARGEST_ANSWER:
                    raise ExecutionClientError(f"the execution client's answer has more than {LARGEST_ANSWER} bytes")
            if response.status != 200 and not parts[:1]:
                raise ExecutionClientError(f"the execution client answers HTTP {response.status}")
            if response.status in (401, 403):
                raise ExecutionClientError(f"the execution client refuses the request: HTTP {response.status}")
        return b"".join(parts)

    async def version(self) -> str:
        """Name and version, as the client gives them."""
        version = await self.call("web3_clientVersion")
        if not isinstance(version, str):
            raise ExecutionClientError("web3_clientVersion: the answer is no text")
        return version

    async def chain_id(self) -> int:
        """The chain id (EIP-695)."""
        result = await self.call("eth_chainId")
        return _read("eth_chainId", lambda: as_quantity(result, "result"))

    async def chain_config(self) -> bytes | None:
        """The chain's config as canonical geth-genesis JSON, None where the client does not tell it."""
        for method, path in (("debug_chainConfig", ()), ("admin_nodeInfo", ("protocols", "eth", "config"))):
            try:
                document = await self.call(method)
            except RpcError:
                continue  # it does not serve that
            for name in path:
                document = document.get(name) if isinstance(document, dict) else None
            if isinstance(document, dict):
                encoded = encode_chain_config(document)
                _read(method, lambda encoded=encoded: parse_chain_config(encoded))  # type: ignore[misc]
                return encoded
        return None

    async def header(self, block_hash: bytes) -> Header | None:
        """As BlockSource.header."""
        method = "eth_getBlockByHash"
        document = await self.call(method, hex_octets(block_hash), False)
        header = None if document is None else _header(method, document)
        if header is not None and header.hash != block_hash:
            raise ExecutionClientError(f"{method}: asked for 0x{block_hash.hex()}, got 0x{header.hash.hex()}")
        return header

    async def header_at(self, tag: str | int) -> Header | None:
        """The header at a number, or at "finalized", "safe" or "latest"; None if there is none."""
        method = "eth_getBlockByNumber"
        try:
            document = await self.call(method, hex_quantity(tag) if isinstance(tag, int) else tag, False)
        except RpcError as error:
            # geth answers so while nothing is final yet.
            if error.code == UNKNOWN_BLOCK or "not found" in str(error) or "nknown block" in str(error):
                return None
            raise
        header = None if document is None else _header(method, document)
        if header is not None and isinstance(tag, int) and header.number != tag:
            raise ExecutionClientError(f"{method}: asked for block {tag}, got {header.number}")
        return header

    async def block(self, block_hash: bytes) -> bytes | None:
        """As BlockSource.block."""
        method, named = "debug_getRawBlock", hex_octets(block_hash)
        try:
            raw = await self.call(method, named)
            encoded = _read(method, lambda: as_octets(raw, "result"))
        except RpcError:  # not served, or not by hash, or no such block
            method = "eth_getBlockByHash"
            document = await self.call(method, named, True)
            if document is None:
                return None
            encoded = _read(method, lambda: block_from_json(document))
        header = _read(method, lambda: decode_block_header(encoded))
        if header.hash != block_hash:
            raise ExecutionClientError(f"{method}: asked for 0x{block_hash.hex()}, got 0x{header.hash.hex()}")
        for finding in await asyncio.to_thread(lambda: list(check_body(encoded, header))):
            raise ExecutionClientError(f"{method}: {finding.text}")
        return encoded


class ExecutionClientSource:
    """A BlockSource: an execution client with `debug_executionWitness`. chain_config: geth-genesis JSON."""

    def __init__(self, client: ExecutionRpc, chain_config: bytes) -> None:
        self._client = client
        self._chain_config = chain_config
        self._served: tuple[str, bool] | None = None  # method, and whether it wants a number: what worked last

    async def header(self, block_hash: bytes) -> Header | None:
        """As BlockSource.header."""
        return await self._client.header(block_hash)

    async def block(self, block_hash: bytes) -> bytes | None:
        """As BlockSource.block."""
        return await self._client.block(block_hash)

    async def witness(self, block: bytes) -> Recorded:
        """As BlockSource.witness.

        Raises NoWitnessMethodError where the client serves none at all, ExecutionClientError where it does not answer.
        """
        header = _read("block", lambda: decode_block_header(block))
        result = await self._ask(header)
        try:
            content = await asyncio.to_thread(self._assemble, block, result)
            bound = parent_state_root(content, header)
        except WitnessError as error:
            raise NoWitnessError(f"{FORMAT}: {error!s:.300}") from None
        if bound is None:
            raise NoWitnessError(f"{FORMAT}: the header of the parent of block {header.number} is not in the witness")
        return Recorded(content, "debug", accepted=True)

    def _assemble(self, block: bytes, result: Any) -> BlockWitness:
        witness = witness_from_json(result)
        parts = Parts(format=FORMAT, block=block, state=witness.state, codes=witness.codes, headers=witness.headers)
        return assemble(parts, self._chain_config)

    async def _ask(self, header: Header) -> Any:
        """The answer of whichever of the clients' methods this one has."""
        # By number only last: it is another block's where this one is not canonical.
        ways = [(FORMAT, False), ("debug_executionWitnessByBlockHash", False), (FORMAT, True)]
        if self._served is not None:
            ways.remove(self._served)
            ways.insert(0, self._served)
        why = ""
        for method, by_number in ways:
            named = hex_quantity(header.number) if by_number else hex_octets(header.hash)
            try:
                result = await self._client.call(method, named, timeout=WITNESS_TIMEOUT)
            except RpcError as error:
                why = why or str(error)
                if error.code in (METHOD_NOT_FOUND, INVALID_PARAMS):
                    continue
                raise NoWitnessError(str(error)) from None
            if result is None:
                raise NoWitnessError(f"{method}: the execution client has no witness of block {header.number}")
            if by_number:
                await self._check_canonical(header)
            self._served = (method, by_number)
            return result
        raise NoWitnessMethodError(f"the execution client serves no witnesses: {why}")

    async def _check_canonical(self, header: Header) -> None:
        """Raises NoWitnessError: what was asked for by number is of another block, perhaps of the same parent."""
        canonical = await self._client.header_at(header.number)
        if canonical is None or canonical.hash != header.hash:
            named = "none" if canonical is None else f"0x{canonical.hash.hex()[:8]}…"
            raise NoWitnessError(f"{FORMAT}: another block is canonical at number {header.number}: {named}")


async def find_chain_config(client: ExecutionRpc, configured: bytes | None = None) -> bytes:
    """The rules of the client's chain: the configured ones, else its own word, else those of a well-known chain.

    Raises InputError: there are none, or they are of another chain; ExecutionClientError.
    """
    chain_id = await client.chain_id()
    found = configured or await client.chain_config()
    try:
        encoded = found or known_chain_config(chain_id)
        of = parse_chain_config(encoded).chain_id
    except ChainConfigError as error:
        raise InputError(f"chain config: {error}") from None
    if of != chain_id:
        raise InputError(f"the chain config is of chain {of}, the execution client is on chain {chain_id}")
    return encoded


def _header(method: str, document: Any) -> Header:
    return _read(method, lambda: decode_header(header_from_object(as_object(document, "result"))))


def _read(method: str, decode: Callable[[], T]) -> T:
    try:
        return decode()
    except (WitnessError, EncodingError) as error:
        raise ExecutionClientError(f"{method}: {error!s:.300}") from None
