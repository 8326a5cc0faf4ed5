"""A guarded chain that the tests of a module share: each leaves it as it found it, or the next gets a new one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.end_to_end.sidecar.guarded_chain import GuardedChain, guarded_chain

Scenario = Callable[[GuardedChain], Awaitable[None]]


class SharedChain:
    """Runs scenarios, one after the other, on one guarded chain. directory: for the chains, one below it each."""

    def __init__(self, runner: asyncio.Runner, directory: Path) -> None:
        self._runner = runner
        self._directories = (directory / str(number) for number in count(1))
        self._stack = AsyncExitStack()
        self._chain: GuardedChain | None = None

    def __call__(self, scenario: Scenario) -> None:
        """Runs a scenario; afterwards nothing may be left of the failure: the chain goes on, and is attested to."""
        self._runner.run(self._run(scenario))

    def close(self) -> None:
        """Ends everything."""
        self._runner.run(self._stack.aclose())

    async def _run(self, scenario: Scenario) -> None:
        if self._chain is None:
            await self._stack.aclose()
            chain = await self._stack.enter_async_context(guarded_chain(next(self._directories)))
            await chain.start()
        else:
            chain, self._chain = self._chain, None
        await chain.advance()
        await scenario(chain)
        chain.execution.fault = None
        await chain.until(chain.ready, "ready again")
        await chain.advance()
        self._chain = chain  # unless something failed


@pytest.fixture(scope="module")
def on_a_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedChain]:
    """Runs scenarios on a chain of this module."""
    with asyncio.Runner() as runner:
        shared = SharedChain(runner, tmp_path_factory.mktemp("guarded"))
        try:
            yield shared
        finally:
            shared.close()
