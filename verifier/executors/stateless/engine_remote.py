"""A running client asked to execute blocks without state over its Engine API (`engine_executeStatelessPayload`).

It answers with two roots, so it can contradict a block and never attest one (decision 18).
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp

from verifier.domain.result import Abstention, AbstentionReason, Outcome, Result
from verifier.executors.jwt import encode_token, read_secret

from .base import ExecutionRequest
from .engine_messages import NotAskedError, StatelessCall, decode_answer, encode_call
from .messages import one_line
from .remotes import EngineRemote
from .tracer import TraceBatch

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0  # seconds to connect: over a network, to a machine that is busy executing
CHAIN_TIMEOUT = 5.0  # seconds for eth_chainId, which involves no execution
PLACES = 2  # blocks at once: the client also follows its own chain
MAX_ANSWER = 64 * 1024  # bytes; two roots, or a validation error
ATTEMPTS = 2  # a kept connection that the client has closed meanwhile breaks at the next request
DENIED = (401, 403)


class AskError(Exception):
    """The client did not answer as JSON-RPC does. reason and text: what to abstain with."""

    def __init__(self, reason: AbstentionReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


class EngineExecutor:
    """A stateless executor and tracer over a client's Engine API. `close` it. Raises InputError: its secret, its CA."""

    def __init__(self, remote: EngineRemote) -> None:
        self.name = remote.name
        self.lineage = remote.lineage
        self.url = remote.url
        self.expected_ms = 0.0
        self._secret = read_secret(remote.jwt_secret_file)
        self._tls = remote.tls_context()
        self._places = asyncio.Semaphore(PLACES)
        self._session: aiohttp.ClientSession | None = None
        self._chain_id: int | None = None

    async def execute(self, request: ExecutionRequest) -> Result:
        """Sends block and witness and reads the roots, within the request's deadline. Never raises."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(request.deadline), self._places:
                outcome = await self._execute(request)
        except TimeoutError:
            outcome = Abstention(AbstentionReason.TIMEOUT, f"no answer within {request.deadline:.1f} s")
        except NotAskedError as error:
            outcome = Abstention(error.reason, str(error))
        except AskError as error:
            outcome = Abstention(error.reason, f"{self.url}: {error.text}")
        elapsed_ms = (time.monotonic() - started) * 1000
        if not isinstance(outcome, Abstention):
            self.expected_ms = elapsed_ms
        return Result(self.name, self.lineage, outcome, elapsed_ms, missing_unnoticed=True)

    async def trace(
        self,
        request: ExecutionRequest,  # noqa: ARG002 - the seam's signature
        first: int = 0,  # noqa: ARG002
        count: int = 0,  # noqa: ARG002
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        """See Tracer: it abstains, as the Engine API has no traces."""
        yield Result(self.name, self.lineage, Abstention(AbstentionReason.REFUSED, "the Engine API serves no traces"))

    async def close(self) -> None:
        """Ends its connections. No request may be under way."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _execute(self, request: ExecutionRequest) -> Outcome:
        call = await asyncio.to_thread(encode_call, request)
        await self._check_chain(call)
        return decode_answer(await self._ask(call.body, request.deadline), call.method)

    async def _check_chain(self, call: StatelessCall) -> None:
        """It applies the rules of the chain that it was started for, whatever it is sent."""
        if self._chain_id is None:
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
            try:
                answer = await self._ask(body, CHAIN_TIMEOUT)
                self._chain_id = int(answer["result"], 16)
            except TimeoutError:
                text = f"no answer to eth_chainId within {CHAIN_TIMEOUT:.0f} s"
                raise AskError(AbstentionReason.TIMEOUT, text) from None
            except (TypeError, KeyError, ValueError):
                raise AskError(AbstentionReason.CRASHED, "malformed answer to eth_chainId") from None
        if self._chain_id != call.chain_id:
            text = f"it is configured for chain {self._chain_id}, the block is of {call.chain_id}"
            raise AskError(AbstentionReason.REFUSED, text)

    async def _ask(self, body: bytes, seconds: float) -> Any:
        """The JSON-RPC answer to `body`. Raises AskError, TimeoutError."""
        for attempt in range(ATTEMPTS):
            try:
                async with asyncio.timeout(seconds):
                    return await self._post(body)
            except aiohttp.ServerDisconnectedError:
                self._chain_id = None  # it may be started again as another
                if attempt + 1 == ATTEMPTS:
                    raise AskError(AbstentionReason.CRASHED, "the connection broke") from None
            except (aiohttp.ClientError, OSError) as error:
                self._chain_id = None
                raise AskError(AbstentionReason.UNAVAILABLE, one_line(str(error)) or type(error).__name__) from None
        raise AssertionError

    async def _post(self, body: bytes) -> Any:
        if self._session is None:
            # No total timeout: each request has its own. Proxies in the environment are not looked at.
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
            connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=False)
        token = encode_token(self._secret, int(time.time()))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with self._session.post(self.url, data=body, headers=headers, allow_redirects=False) as response:
            if response.status in DENIED:
                text = f"HTTP {response.status}: it does not accept our token (another secret, or a clock that is off)"
                raise AskError(AbstentionReason.UNAVAILABLE, text)
            if response.status != 200:
                raise AskError(AbstentionReason.CRASHED, f"HTTP {response.status}")
            answer = bytearray()
            async for part in response.content.iter_any():
                answer += part
                if len(answer) > MAX_ANSWER:
                    raise AskError(AbstentionReason.CRASHED, f"malformed answer: above {MAX_ANSWER} bytes")
        try:
            return json.loads(answer)
        except (ValueError, RecursionError):
            raise AskError(AbstentionReason.CRASHED, "malformed answer: not JSON") from None
