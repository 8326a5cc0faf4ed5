"""Whether this process may be relied on now: the conditions that /readyz answers with."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

# Seconds. Below the usual probe's timeout (Kubernetes 1 s, curl by hand more): a client that hangs is not ready.
TIMEOUT = 0.8


@dataclass(frozen=True, slots=True)
class Condition:
    """name: "adapters", "execution_client", "ledger", "anchored". detail: one line for people, without secrets."""

    name: str
    met: bool
    detail: str = ""


Readiness = Callable[[], Awaitable[Sequence[Condition]]]


async def examine(readiness: Readiness) -> Sequence[Condition]:
    """The conditions; one that cannot be found out in time, or at all, is one that is not met."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return tuple(await readiness())
    except TimeoutError:
        return (Condition("readiness", met=False, detail=f"not known after {TIMEOUT} s"),)
    except Exception as error:
        return (Condition("readiness", met=False, detail=f"cannot be found out: {type(error).__name__}"),)
