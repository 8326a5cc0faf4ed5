"""Waiting for a condition on the same event loop, without a clock."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Lets everything else run until it holds. The scenario around it has the time limit."""
    while not condition():  # noqa: ASYNC110 - what is waited for sets no event
        await asyncio.sleep(0)
