"""All subjects, one after the other."""

from collections.abc import AsyncIterator, Sequence

from verifier.configuration.reading import EffectiveConfiguration

from .beacon import check_beacon, check_other_nodes
from .execution import check_execution
from .finding import Finding
from .machine import check_machine
from .peer import session
from .quorum import check_quorum
from .secrets import check_secrets


async def examine(effective: EffectiveConfiguration, beacon_nodes: Sequence[str] = ()) -> AsyncIterator[Finding]:
    """Every finding, as soon as it is made. beacon_nodes: the URLs that the validator client was started with."""
    values = effective.values
    for finding in check_secrets(values):
        yield finding
    async with session() as asking:
        async for finding in check_execution(asking, values):
            yield finding
        async for finding in check_beacon(asking, values):
            yield finding
    for finding in (*check_other_nodes(values, beacon_nodes), *check_machine(values)):
        yield finding
    async for finding in check_quorum(effective):
        yield finding
