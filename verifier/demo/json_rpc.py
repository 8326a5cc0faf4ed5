"""JSON-RPC over HTTP, with the Engine API's token where a secret is given."""

import json
import time
from collections.abc import Callable
from typing import Any, Protocol

import aiohttp

from verifier.executors.jwt import encode_token

from .errors import CallError

TIMEOUT = aiohttp.ClientTimeout(total=8.0)  # seconds: what the Engine API gives newPayload and forkchoiceUpdated


class Caller(Protocol):
    """Whoever answers JSON-RPC calls."""

    async def call(self, method: str, *params: Any) -> Any:
        """The result. Raises CallError."""


class JsonRpc:
    """One endpoint. secret: 32 bytes, for the Engine API's port; clock: seconds since 1970, for the token."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        secret: bytes | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = url
        self._session, self._secret, self._clock = session, secret, clock
        self._calls = 0

    async def call(self, method: str, *params: Any) -> Any:
        """The result. Raises CallError."""
        self._calls += 1
        headers = {}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {encode_token(self._secret, int(self._clock()))}"
        request = {"jsonrpc": "2.0", "id": self._calls, "method": method, "params": params}
        try:
            async with self._session.post(self.url, json=request, headers=headers, timeout=TIMEOUT) as response:
                body = await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CallError(f"{method}: no answer from {self.url}: {error or type(error).__name__}") from None
        try:
            answer = json.loads(body)
        except ValueError:
            raise CallError(f"{method}: HTTP status {status}, not JSON: {body[:200]!r}") from None
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            raise CallError(f"{method}: HTTP status {status}, not JSON-RPC: {body[:200]!r}")
        if "error" in answer:
            raise CallError(f"{method}: {json.dumps(answer['error'])}")
        return answer["result"]
