"""Which chain this is: asked of the execution client at the start, and held against what is configured."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from verifier.configuration.reading import EffectiveConfiguration
from verifier.engine.errors import EngineApiError, EngineApiTokenError
from verifier.errors import InputError
from verifier.executors.stateful.engine_api import ExecutionRpc, find_chain_config
from verifier.executors.stateful.errors import ExecutionClientError
from verifier.services.conformance.loaders.genesis import load_genesis
from witness.chain_config import encode_chain_config

log = logging.getLogger(__name__)

# Seconds between attempts to reach the execution client: whoever starts both at once loses no slot.
RETRY = 1.0
REMINDER = 30  # attempts between two log lines while it is away


@dataclass(frozen=True, slots=True)
class ChainIdentity:
    """genesis_hash: 32 bytes, of block 0. chain_config: geth-genesis config JSON."""

    chain_id: int
    genesis_hash: bytes
    chain_config: bytes


async def identify_chain(
    effective: EffectiveConfiguration,
    client: ExecutionRpc,
    authenticate: Callable[[], Awaitable[object]],
    retry: float = RETRY,
) -> ChainIdentity:
    """Waits until the execution client answers, however long that takes.

    authenticate: asks its Engine API for anything. retry: seconds between attempts. Raises EngineApiTokenError,
    ConfigurationError: the rules of its chain are unknown, or the configured ones are another's.
    """
    configured = _configured(effective)
    attempts = 0
    while True:
        try:
            await authenticate()
            return await _ask(client, configured)
        except EngineApiTokenError:
            raise  # that does not pass by waiting
        except InputError as error:
            raise effective.refuse("chain", "genesis", str(error)) from None
        except (EngineApiError, ExecutionClientError) as error:
            if attempts % REMINDER == 0:
                log.warning("waiting for the execution client: %s", error)
            attempts += 1
            await asyncio.sleep(retry)


async def _ask(client: ExecutionRpc, configured: bytes | None) -> ChainIdentity:
    genesis = await client.header_at(0)
    if genesis is None:
        raise ExecutionClientError("the execution client has no block 0")
    return ChainIdentity(await client.chain_id(), genesis.hash, await find_chain_config(client, configured))


def _configured(effective: EffectiveConfiguration) -> bytes | None:
    genesis = effective.values.chain.genesis
    if genesis is None:
        return None
    try:
        return encode_chain_config(load_genesis(genesis).config.document)
    except InputError as error:
        raise effective.refuse("chain", "genesis", str(error)) from None
