"""Asks a peer something over HTTP, waiting for the answer: for fixtures and tests that are not coroutines."""

import json
import time
import urllib.error
import urllib.request
from typing import Any

from verifier.executors.jwt import encode_token

TIMEOUT = 20.0  # seconds for an answer on two busy cores


class RpcError(Exception):
    """The peer answered with a JSON-RPC error."""


def call(url: str, method: str, *params: Any, secret: bytes | None = None) -> Any:
    """The result of a JSON-RPC call. secret: of the Engine API's port. Raises RpcError, OSError."""
    headers = {"Content-Type": "application/json"}
    if secret is not None:
        headers["Authorization"] = f"Bearer {encode_token(secret, int(time.time()))}"
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    answer = json.loads(_fetch(urllib.request.Request(url, body, headers)))
    if "error" in answer:
        raise RpcError(f"{method}: {answer['error']}")
    return answer["result"]


def get(url: str) -> Any:
    """The JSON that a GET answers with; None if the body is empty. Raises OSError, for every status but 2xx too."""
    body = _fetch(urllib.request.Request(url))
    return json.loads(body) if body else None


def post(url: str) -> None:
    """A POST without a body, its answer ignored. Raises OSError, for every status but 2xx too."""
    _fetch(urllib.request.Request(url, method="POST"))


def _fetch(request: urllib.request.Request) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return bytes(response.read())
    except urllib.error.HTTPError as error:
        error.add_note(f"{request.full_url}: {error.read(500)!r}")
        raise
