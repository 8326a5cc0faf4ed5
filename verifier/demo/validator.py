"""A validator client of the demonstration: each slot it asks for attestation data, and sends an attestation.

It holds no keys: its signatures are zeros, which nobody behind the gate checks. Source: beacon-APIs, `validator`.
"""

import time
from dataclasses import dataclass
from typing import Any

import aiohttp

# Seconds. Longer than any gate holds a request: what the gate answers is to be seen, not a timeout of our own.
TIMEOUT = aiohttp.ClientTimeout(total=30.0)
ATTESTATION_DATA = "eth/v1/validator/attestation_data"
POOL = "eth/v1/beacon/pool/attestations"
SIGNATURE = f"0x{bytes(96).hex()}"
SENT = "sent"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one slot's attestation. result: SENT, or what kept it from being sent. seconds: all of it."""

    result: str
    seconds: float
    head: str = ""

    @property
    def sent(self) -> bool:
        """Whether it was sent and taken."""
        return self.result == SENT


class Validator:
    """url: of the Beacon API that it uses, without a slash at the end. session: not closed here."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def attest(self, slot: int) -> Attempt:
        """Attests to the head that it is told of. Never raises: what fails is its result."""
        began = time.monotonic()
        try:
            result, head = await self._attest(slot)
        except (aiohttp.ClientError, TimeoutError) as error:
            result, head = f"no answer: {error or type(error).__name__}", ""
        return Attempt(result, time.monotonic() - began, head)

    async def _attest(self, slot: int) -> tuple[str, str]:
        query = {"slot": str(slot), "committee_index": "0"}
        async with self._session.get(f"{self._url}/{ATTESTATION_DATA}", params=query, timeout=TIMEOUT) as response:
            if response.status != 200:
                return f"{response.status} {await _message(response)}", ""
            data: dict[str, Any] = (await response.json())["data"]
        attestation = {"aggregation_bits": "0x03", "data": data, "signature": SIGNATURE}
        async with self._session.post(f"{self._url}/{POOL}", json=[attestation], timeout=TIMEOUT) as response:
            head = str(data["beacon_block_root"])
            return (SENT if response.status == 200 else f"{response.status} {await _message(response)}"), head


async def _message(response: aiohttp.ClientResponse) -> str:
    try:
        return str((await response.json())["message"])
    except (aiohttp.ClientError, ValueError, KeyError, TypeError):
        return ""
