"""Asks the clients behind the gates, once and with a limit, and reads the clock that their answers carry."""

import json
import os
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from verifier.configuration.kinds import redacted
from verifier.executors.jwt import encode_token

# Seconds. Both clients are on this machine or near; one that takes longer for a version would miss every slot.
ANSWER_TIMEOUT = 10.0
LARGEST_ANSWER = 256 << 20  # bytes; a witness in JSON has some 20 MB
METHOD_NOT_FOUND = -32601  # JSON-RPC 2.0
CLOCK_RESOLUTION = 1.0  # seconds: the Date header has whole ones


class PeerError(Exception):
    """No answer, or none that can be used. refused: the HTTP status says that it will not talk to us."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


class MethodError(PeerError):
    """A JSON-RPC error. absent: the method is not there."""

    def __init__(self, text: str, *, absent: bool) -> None:
        super().__init__(text)
        self.absent = absent


@dataclass(frozen=True, slots=True)
class Answer:
    """document: the JSON. ahead: seconds by which the peer's clock is ahead of ours, None if it does not say."""

    document: Any
    ahead: float | None


class Peer:
    """One client at one address. secret: of the Engine API's port, else None."""

    def __init__(self, session: aiohttp.ClientSession, url: str, secret: bytes | None = None) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._secret = secret
        self.shown = redacted(url)

    async def call(self, method: str, *parameters: Any) -> Answer:
        """A JSON-RPC call; `document` is the result. Raises PeerError, MethodError."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        answer = await self._ask("POST", self._url, body)
        document = answer.document
        if not isinstance(document, dict) or not ("result" in document or isinstance(document.get("error"), dict)):
            raise PeerError(f"{self.shown} does not speak JSON-RPC")
        if "result" in document:
            return Answer(document["result"], answer.ahead)
        error = document["error"]
        absent = error.get("code") == METHOD_NOT_FOUND
        raise MethodError(f"{method}: {one_line(error.get('message'))}", absent=absent)

    async def get(self, path: str) -> Answer:
        """A GET below the address. Raises PeerError."""
        return await self._ask("GET", self._url + path, None)

    async def _ask(self, method: str, url: str, body: object) -> Answer:
        headers = {"Accept": "application/json"}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {encode_token(self._secret, int(time.time()))}"
        try:
            async with self._session.request(method, url, json=body, headers=headers) as response:
                content = await response.content.read(LARGEST_ANSWER)
                while not response.content.at_eof() and len(content) < LARGEST_ANSWER:
                    content += await response.content.read(LARGEST_ANSWER - len(content))
        except TimeoutError:
            raise PeerError(f"{self.shown} does not answer within {ANSWER_TIMEOUT:.0f} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PeerError(f"{self.shown} cannot be asked: {_reason(error)}") from None
        ahead = _clock(response.headers.get("Date"))
        if response.status in (401, 403):
            raise PeerError(f"{self.shown} answers HTTP {response.status}: {one_line(content)}", refused=True)
        if response.status >= 400:
            raise PeerError(f"{self.shown} answers HTTP {response.status}")
        try:
            return Answer(json.loads(content), ahead)
        except (ValueError, RecursionError):
            raise PeerError(f"{self.shown} answers something that is not JSON") from None


def session() -> aiohttp.ClientSession:
    """For all peers; to be closed."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT))


def one_line(text: object, most: int = 120) -> str:
    """What a peer wrote, as far as it can be shown: one line, printable, not long."""
    if isinstance(text, bytes):
        text = text[: 4 * most].decode(errors="replace")
    words = " ".join(str(text).split())
    printable = "".join(character if character.isprintable() else "?" for character in words)
    return printable if len(printable) <= most else printable[:most] + "…"


def _reason(error: BaseException) -> str:
    """What went wrong, without the address: that may hold a password."""
    number = getattr(getattr(error, "os_error", error), "errno", None)
    return os.strerror(number) if number else type(error).__name__


def _clock(date: str | None) -> float | None:
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
    # The header's second has begun, and may be almost over.
    ours = time.time()
    if theirs <= ours <= theirs + CLOCK_RESOLUTION:
        return 0.0
    return theirs - ours if theirs > ours else theirs + CLOCK_RESOLUTION - ours
