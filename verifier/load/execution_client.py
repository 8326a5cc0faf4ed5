"""An execution client that knows every answer beforehand: every block is VALID, with the same witness."""

import json
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from verifier.load.repeated_block import RepeatedBlock
from witness.formats.geth_rlp import encode_witness_rlp
from witness.formats.json_field import hex_octets
from witness.formats.rpc_header import NAMES, header_from_object, header_to_object

LARGEST_REQUEST = 128 << 20  # bytes; more than any payload has
HASH = re.compile(rb'"(?:block|headBlock)Hash": ?"(0x[0-9a-f]{64})"')
METHOD = re.compile(rb'"method": ?"([A-Za-z0-9_]+)"')
METHOD_NOT_FOUND = -32601


class KnownAnswers:
    """Answers for the blocks of `repeated`; of others it knows nothing. witnesses: whether newPayload brings them."""

    def __init__(self, repeated: RepeatedBlock, count: int) -> None:
        content = repeated.content
        self._blocks = {each.hash: each.block for each in map(repeated.repetition, range(count))}
        self._witness = f'"0x{encode_witness_rlp(content.witness).hex()}"'.encode()
        self._parent = header_to_object(repeated.parent)
        version = repeated.version
        self._payload_methods = (f"engine_newPayloadV{version}", f"engine_newPayloadWithWitnessV{version}")
        config = json.loads(bytes(content.chain_config))
        capabilities = [*self._payload_methods, "engine_forkchoiceUpdatedV1", "engine_forkchoiceUpdatedV2"]
        self._results: dict[str, Callable[[list[Any]], Any]] = {
            "engine_exchangeCapabilities": lambda _: capabilities,
            "engine_getClientVersionV1": lambda _: [],
            "eth_chainId": lambda _: hex(content.chain_id),
            "eth_syncing": lambda _: False,
            "web3_clientVersion": lambda _: "known-answers/1",
            "debug_chainConfig": lambda _: config,
            "eth_getBlockByNumber": lambda params: self._block_zero() if params[0] == "0x0" else None,
            "eth_getBlockByHash": lambda params: self._parent if params[0] == self._parent["hash"] else None,
            "debug_getRawBlock": lambda params: hex_octets(self._blocks[bytes.fromhex(params[0][2:])]),
            "debug_executionWitness": lambda _: {
                "state": list(map(hex_octets, content.witness.state)),
                "codes": list(map(hex_octets, content.witness.codes)),
                "headers": list(map(hex_octets, content.witness.headers)),
            },
        }

    @property
    def witness_size(self) -> int:
        """Bytes of the witness in an answer."""
        return len(self._witness)

    def application(self) -> web.Application:
        """The server, for the Engine API and everything else."""

        async def serve(request: web.Request) -> web.Response:
            return web.Response(body=self._answer(await request.read()), content_type="application/json")

        application = web.Application(client_max_size=LARGEST_REQUEST)
        application.router.add_post("/", serve)
        return application

    def _answer(self, body: bytes) -> bytes:
        # Payloads are looked through, not parsed: this process is to take as little of the machine as it can.
        named = METHOD.search(body)
        method = named[1].decode() if named else ""
        if method in self._payload_methods:
            witness = b', "witness": ' + self._witness if method == self._payload_methods[1] else b""
            return b'{"jsonrpc": "2.0", "id": 1, "result": ' + self._status(body)[:-1] + witness + b"}}"
        if method.startswith("engine_forkchoiceUpdated"):
            status = self._status(body)
            return b'{"jsonrpc": "2.0", "id": 1, "result": {"payloadId": null, "payloadStatus": ' + status + b"}}"
        call = json.loads(body)
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": call.get("id")}
        if method in self._results:
            answer["result"] = self._results[method](call.get("params") or [])
        else:
            answer["error"] = {"code": METHOD_NOT_FOUND, "message": f"the method {method} does not exist"}
        return json.dumps(answer).encode()

    def _status(self, body: bytes) -> bytes:
        found = HASH.search(body)
        hash_ = found[1] if found else b"0x"
        return b'{"status": "VALID", "validationError": null, "latestValidHash": "' + hash_ + b'"}'

    def _block_zero(self) -> dict[str, Any]:
        """Some header of number 0: which chain this is, nothing more is asked of it."""
        document = {key: value for key, value in self._parent.items() if key != "hash"}
        return header_to_object(header_from_object({**document, NAMES["number"][0]: "0x0"}))
