"""An error to be shown where the execution client is a real one, which has none: what stands before it misquotes it.

Of chosen blocks another state root is told than the client computed, and so another hash: whatever goes to the client
is about its own block, whatever comes from it about the one that is told. Everything else passes as it is.
"""

from collections.abc import Sequence
from dataclasses import replace

import aiohttp
from aiohttp import web

from witness.formats.engine_payload import decode_engine_payload
from witness.header import keccak256

from .driver import Built
from .execution_client import LARGEST_REQUEST

JSON = "application/json"
DEBUG = b'"debug_'  # in a call whose method is of that namespace, which is not at the Engine API's port


class Misquoting:
    """A Fault, and the server before an execution client. For demonstrations: nothing else here may construct it.

    engine_url, rpc_url: the client's. session: not closed here.
    """

    what = "it tells another state root than it computed (geth is right; what stands before it changes its answers)"
    symptom = "only this is known to differ: state_root"

    def __init__(self, engine_url: str, rpc_url: str, session: aiohttp.ClientSession) -> None:
        self.active = False
        self._engine_url, self._rpc_url, self._session = engine_url, rpc_url, session
        self._told: dict[bytes, bytes] = {}  # what the client says → what is told, as hexadecimal digits

    def application(self) -> web.Application:
        """The server, at `/`. The caller binds it."""
        application = web.Application(client_max_size=LARGEST_REQUEST)
        application.router.add_post("/", self._serve)
        return application

    def transactions(self) -> Sequence[bytes]:
        """As Fault.transactions: nothing is needed."""
        return ()

    def told(self, block: Built) -> Built:
        """As Fault.told: the same block with another state root, and so with another hash."""
        if not self.active:
            return block
        version = block.versions.new_payload
        truth = _digits(block.payload["stateRoot"])
        lie = keccak256(truth).hex().encode()
        payload = {**block.payload, "stateRoot": f"0x{lie.decode()}"}
        found = decode_engine_payload(version, [payload, *block.parameters])
        self._told |= {truth: lie, _digits(block.hash): found.header.hash.hex().encode()}
        return replace(block, payload={**payload, "blockHash": f"0x{found.header.hash.hex()}"})

    async def _serve(self, request: web.Request) -> web.Response:
        asked = await request.read()
        for truth, told in self._told.items():
            asked = asked.replace(told, truth)
        headers = {"Content-Type": JSON}
        url = self._rpc_url if DEBUG in asked else self._engine_url
        if "Authorization" in request.headers and url == self._engine_url:
            headers["Authorization"] = request.headers["Authorization"]
        try:
            async with self._session.post(url, data=asked, headers=headers) as response:
                answer = await response.read()
                status = response.status
        except aiohttp.ClientError as error:
            return web.Response(status=502, text=f"the execution client does not answer: {error}")
        for truth, told in self._told.items():
            answer = answer.replace(truth, told)
        return web.Response(status=status, body=answer, content_type=JSON)


def _digits(octets: str) -> bytes:
    return octets.removeprefix("0x").encode()
