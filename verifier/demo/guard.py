"""The sidecar of the demonstration, as an operator runs it: started, stopped for a word, and started again."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import aiohttp

from verifier.app.sidecar import Addresses, Sidecar
from verifier.configuration.reading import EffectiveConfiguration
from verifier.domain.event import Observer
from verifier.executors.stateless.base import StatelessExecutor
from verifier.ledger.sqlite import SqliteLedger, read_identity
from verifier.services.operator_word import release

from .errors import DemoError

START_TIMEOUT = 180.0  # seconds; the slowest adapter takes ten on two idle cores
READY_INTERVAL = 0.2  # seconds between two questions whether it is ready
Configure = Callable[[Addresses | None], EffectiveConfiguration]


class Guard:
    """An async context: a sidecar runs while it lasts, and is ready. session: not closed here.

    configure: its configuration; given the addresses that it had before, it is to have them again. decorate, observers:
    as Sidecar's. Raises DemoError, VerifierError.
    """

    def __init__(
        self,
        configure: Configure,
        session: aiohttp.ClientSession,
        decorate: Callable[[StatelessExecutor], StatelessExecutor],
        observers: Sequence[Observer],
    ) -> None:
        self._configure = configure
        self._session = session
        self._decorate = decorate
        self._observers = observers
        self._running = AsyncExitStack()
        self._addresses: Addresses | None = None

    @property
    def addresses(self) -> Addresses:
        """Where it answers."""
        assert self._addresses is not None, "it was not started"
        return self._addresses

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    async def release(self, adapters: Sequence[str], why: str) -> None:
        """Stops it, lets adapters out of quarantine as `verifier adapters release` does, and starts it again."""
        await self._running.aclose()
        path = self._configure(self._addresses).values.storage.ledger
        with SqliteLedger(path, *read_identity(path)) as ledger:
            for each in adapters:
                release(ledger, each, why, time.time())
        await self._start()

    async def _start(self) -> None:
        sidecar = Sidecar(self._configure(self._addresses), decorate=self._decorate, observers=self._observers)
        self._addresses = await self._running.enter_async_context(sidecar)
        await self._ready(self._addresses.status)

    async def _ready(self, status_url: str) -> None:
        """Returns once it says that it is: its adapters are warm. Raises DemoError."""
        detail = ""
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while True:
                    async with self._session.get(f"{status_url.rstrip('/')}/readyz") as response:
                        if response.status == 200:
                            return
                        detail = ", ".join(
                            f"{each['name']}: {each['detail']}"
                            for each in (await response.json())["conditions"]
                            if not each["met"]
                        )
                    await asyncio.sleep(READY_INTERVAL)
        except TimeoutError:
            raise DemoError(f"the sidecar is not ready within {START_TIMEOUT:.0f} s: {detail}") from None
