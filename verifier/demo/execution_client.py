"""An execution client for demonstrations and tests: the Engine API over the embedded executor.

It executes every block for real, builds blocks, and serves witnesses as geth does. It has no network and no peers.
Source: execution-apis, `engine/{paris,shanghai,cancun,prague,osaka}.md`.
"""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from typing import Any, Self

from aiohttp import web

from verifier.demo.chain_queries import SERVER_ERROR, ChainQueries, RpcError
from verifier.demo.private_chain import PrivateChain
from verifier.domain.status import ExecutorStatus
from verifier.errors import ExecutorError, TokenError, UnknownBlockError
from verifier.executors.jwt import check_token
from verifier.executors.stateful.embedded.building import BlockPlan
from verifier.executors.stateful.errors import UndecodableBlockError
from witness.errors import WitnessError
from witness.formats.engine_payload import decode_engine_payload, engine_parameters
from witness.formats.geth_rlp import encode_witness_rlp
from witness.formats.json_field import as_list, as_object, as_octets, as_quantity
from witness.header import keccak256
from witness.model import BlockWitness, Header

LARGEST_REQUEST = 128 << 20  # bytes; a payload of the largest blocks has some 10 MB
UNKNOWN_PAYLOAD, INVALID_FORK_CHOICE, INVALID_ATTRIBUTES = -38001, -38002, -38003
METHOD_NOT_FOUND, INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR = -32601, -32602, -32600, -32700
BUILT_KEPT = 16  # payloads; whoever asked for one asks for it within its slot
CLIENT_CODE = "PE"  # not in the registry of execution-apis `identification.md`: py-evm is no node
VERSION = version("py-evm")


class ExecutionClient:
    """Serves one chain. secret: 32 bytes, of the Engine API; with None every request is let in.

    witness_calls: whether it has engine_newPayloadWithWitness; debug_calls: whether it has debug_executionWitness.
    asked: how often each method was called.
    """

    def __init__(
        self, chain: PrivateChain, secret: bytes | None, *, witness_calls: bool = True, debug_calls: bool = True
    ) -> None:
        self.chain = chain
        self.secret = secret
        self.asked: dict[str, int] = {}
        self._built: dict[str, tuple[bytes, tuple[bytes, ...]]] = {}
        self._payloads = 0
        self._methods = self._all_methods(witness_calls=witness_calls, debug_calls=debug_calls)
        # The executor is not for several threads; and a block must not keep the server from answering.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="execution")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def application(self) -> web.Application:
        """The server, at `/`. The caller binds it."""
        application = web.Application(client_max_size=LARGEST_REQUEST)
        application.router.add_post("/", self._serve)
        return application

    async def _serve(self, request: web.Request) -> web.Response:
        if self.secret is not None:
            try:
                check_token(self.secret, request.headers.get("Authorization"), time.time())
            except TokenError as error:
                return web.Response(status=401, text=str(error))
        try:
            document = json.loads(await request.read())
        except (ValueError, RecursionError):
            return web.json_response(_failure(None, PARSE_ERROR, "not JSON"))
        if not isinstance(document, list):
            return web.json_response(await self._answer(document))
        return web.json_response([await self._answer(each) for each in document])

    async def _answer(self, call: Any) -> dict[str, Any]:
        if not isinstance(call, dict) or not isinstance(call.get("method"), str):
            return _failure(None, INVALID_REQUEST, "not a JSON-RPC call")
        name, parameters = call["method"], call.get("params") or []
        self.asked[name] = self.asked.get(name, 0) + 1
        method = self._methods.get(name)
        if method is None or not isinstance(parameters, list):
            return _failure(call.get("id"), METHOD_NOT_FOUND, f"the method {name} does not exist/is not available")
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._thread, method, parameters)
        except RpcError as error:
            return _failure(call.get("id"), error.code, str(error))
        except (WitnessError, IndexError) as error:
            return _failure(call.get("id"), INVALID_PARAMS, f"{name}: {error}")
        except ExecutorError as error:
            return _failure(call.get("id"), SERVER_ERROR, str(error))
        return {"jsonrpc": "2.0", "id": call.get("id"), "result": result}

    def _all_methods(self, *, witness_calls: bool, debug_calls: bool) -> dict[str, Callable[[list[Any]], Any]]:
        methods: dict[str, Callable[[list[Any]], Any]] = {
            "engine_exchangeCapabilities": lambda _: [
                name for name in self._methods if name.startswith("engine_") and name != "engine_exchangeCapabilities"
            ],
            "engine_getClientVersionV1": lambda _: [
                {"code": CLIENT_CODE, "name": "py-evm", "version": VERSION, "commit": "0x00000000"}
            ],
            "eth_chainId": lambda _: hex(self.chain.chain_id),
            "net_version": lambda _: str(self.chain.chain_id),
            "web3_clientVersion": lambda _: f"py-evm/{VERSION}/embedded",
            "eth_syncing": lambda _: False,
            "eth_sendRawTransaction": self._add_transaction,
            **ChainQueries(self.chain).methods(debug_calls=debug_calls),
        }
        for number in range(1, 5):
            methods[f"engine_newPayloadV{number}"] = partial(self._new_payload, number)
            if witness_calls:
                methods[f"engine_newPayloadWithWitnessV{number}"] = partial(self._new_payload_with_witness, number)
        for number in range(1, 4):
            methods[f"engine_forkchoiceUpdatedV{number}"] = self._fork_choice_updated
        for number in range(1, 6):
            methods[f"engine_getPayloadV{number}"] = partial(self._payload, number)
        return methods

    def _new_payload(self, version: int, parameters: list[Any]) -> dict[str, Any]:
        return self._import(version, parameters)[0]

    def _new_payload_with_witness(self, version: int, parameters: list[Any]) -> dict[str, Any]:
        status, content = self._import(version, parameters)
        return {**status, "witness": None if content is None else _data(encode_witness_rlp(content.witness))}

    def _import(self, version: int, parameters: list[Any]) -> tuple[dict[str, Any], BlockWitness | None]:
        """PayloadStatusV1, and the witness of a block that was executed now."""
        payload = decode_engine_payload(version, parameters)
        header = payload.header
        if payload.misfit:
            return _status(ExecutorStatus.INVALID, None, payload.misfit), None
        try:
            outcome = self.chain.import_block(payload.block)
        except UnknownBlockError:
            return _status(ExecutorStatus.SYNCING), None
        except UndecodableBlockError as error:
            return _status(ExecutorStatus.INVALID, None, str(error)), None
        if outcome.invalid is not None:
            return _status(ExecutorStatus.INVALID, header.parent_hash, outcome.invalid), outcome.witness
        return _status(ExecutorStatus.VALID, header.hash), outcome.witness

    def _fork_choice_updated(self, parameters: list[Any]) -> dict[str, Any]:
        state = as_object(parameters[0], "forkchoiceState")
        names = ("headBlockHash", "safeBlockHash", "finalizedBlockHash")
        head, safe, finalized = (as_octets(state.get(name), name, 32) for name in names)
        if self.chain.header(head) is None:
            return {"payloadStatus": _status(ExecutorStatus.SYNCING), "payloadId": None}
        try:
            header = self.chain.choose(head, safe, finalized)
        except UnknownBlockError as error:
            raise RpcError(INVALID_FORK_CHOICE, str(error)) from None
        attributes = parameters[1] if len(parameters) > 1 else None
        identifier = None if attributes is None else self._build(header, as_object(attributes, "payloadAttributes"))
        return {"payloadStatus": _status(ExecutorStatus.VALID, head), "payloadId": identifier}

    def _build(self, parent: Header, attributes: dict[str, Any]) -> str:
        timestamp = as_quantity(attributes.get("timestamp"), "timestamp")
        if timestamp <= parent.timestamp:
            raise RpcError(INVALID_ATTRIBUTES, f"timestamp {timestamp} is not after the parent's {parent.timestamp}")
        root = attributes.get("parentBeaconBlockRoot")
        plan = BlockPlan(
            timestamp=timestamp,
            withdrawals=[_withdrawal(each) for each in as_list(attributes.get("withdrawals"), "withdrawals")],
            coinbase=as_octets(attributes.get("suggestedFeeRecipient"), "suggestedFeeRecipient", 20),
            random=as_octets(attributes.get("prevRandao"), "prevRandao", 32),
            parent_beacon_block_root=bytes(32) if root is None else as_octets(root, "parentBeaconBlockRoot", 32),
        )
        self._payloads += 1
        identifier = f"0x{self._payloads:016x}"
        self._built[identifier] = self.chain.build(parent.hash, plan)
        for old in list(self._built)[:-BUILT_KEPT]:
            del self._built[old]
        return identifier

    def _payload(self, number: int, parameters: list[Any]) -> dict[str, Any]:
        built = self._built.get(parameters[0]) if isinstance(parameters[0], str) else None
        if built is None:
            raise RpcError(UNKNOWN_PAYLOAD, "no payload of that id")
        payload: dict[str, Any] = engine_parameters(*built)[1][0]
        if number == 1:
            return payload
        answer: dict[str, Any] = {"executionPayload": payload, "blockValue": "0x0"}
        if number > 2:
            # The pool takes no blob transactions: their blobs would have to be here.
            empty: dict[str, list[str]] = {"commitments": [], "proofs": [], "blobs": []}
            answer |= {"blobsBundle": empty, "shouldOverrideBuilder": False}
        if number > 3:
            answer["executionRequests"] = [_data(each) for each in built[1]]
        return answer

    def _add_transaction(self, parameters: list[Any]) -> str:
        encoded = as_octets(parameters[0], "transaction")
        if encoded[:1] == b"\x03":
            raise RpcError(SERVER_ERROR, "blob transactions are not taken here")
        if not self.chain.add_transaction(encoded):
            raise RpcError(SERVER_ERROR, "the pool is full")
        return _data(keccak256(encoded))


def _status(
    status: ExecutorStatus, latest_valid: bytes | None = None, reason: str | None = None
) -> dict[str, str | None]:
    latest = None if latest_valid is None else _data(latest_valid)
    return {"status": status, "latestValidHash": latest, "validationError": reason}


def _withdrawal(value: Any) -> tuple[int, int, bytes, int]:
    entry = as_object(value, "withdrawal")
    index, validator, amount = (as_quantity(entry.get(name), name) for name in ("index", "validatorIndex", "amount"))
    return index, validator, as_octets(entry.get("address"), "address", 20), amount


def _failure(identifier: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identifier, "error": {"code": code, "message": message}}


def _data(value: Any) -> str:
    return f"0x{bytes(value).hex()}"
