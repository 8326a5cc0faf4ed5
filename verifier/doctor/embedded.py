"""The embedded executor, where witnesses come from it: of the right chain, and near enough to follow it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from verifier.app.embedded import open_executor
from verifier.configuration.sections import Configuration
from verifier.errors import ExecutorError, InputError
from verifier.executors.stateful.errors import DatabaseInUseError
from verifier.executors.stateful.follower import DEPTH, too_far
from verifier.services.conformance.loaders.genesis import load_genesis

from .finding import Finding, fail, ok, warn
from .peer import Peer, PeerError, one_line

SUBJECT = "embedded executor"


async def check_embedded(values: Configuration, client: Peer) -> AsyncIterator[Finding]:
    """Findings on [chain] genesis and [storage] embedded. client: the execution client's, for eth_getBlockByNumber."""
    try:
        first, latest = await _block(client, "0x0"), await _block(client, "latest")
    except PeerError as error:
        yield fail(SUBJECT, f"the execution client does not tell its blocks: {error}", "see [execution] rpc_url")
        return
    try:
        # In a thread: a genesis with many accounts takes seconds.
        head, block_zero = await asyncio.to_thread(_head, values)
    except DatabaseInUseError as error:
        yield warn(SUBJECT, str(error), "fine if it is the sidecar itself that runs")
        return
    except (InputError, ExecutorError) as error:
        yield fail(SUBJECT, str(error), "see [chain] genesis and [storage] embedded")
        return
    number = int(latest.get("number", "0x0"), 16)
    if first.get("hash") != f"0x{block_zero.hex()}":
        text = f"its block 0 is 0x{block_zero.hex()}, the execution client's {one_line(first.get('hash'))}"
        yield fail(SUBJECT, text, "give [chain] genesis the document that the execution client was started with")
    elif number - head > DEPTH:
        yield fail(SUBJECT, too_far(head, number), "see docs/operations.md, the embedded executor")
    else:
        yield ok(SUBJECT, f"at block {head}, the execution client at {number}")


async def _block(client: Peer, named: str) -> dict[str, Any]:
    document = (await client.call("eth_getBlockByNumber", named, False)).document
    if not isinstance(document, dict) or not isinstance(document.get("number"), str):
        raise PeerError(f"eth_getBlockByNumber: no block {named}")
    try:
        int(document["number"], 16)
    except ValueError:
        raise PeerError("eth_getBlockByNumber: a number that is none") from None
    return document


def _head(values: Configuration) -> tuple[int, bytes]:
    """The number of the executor's head, and its block 0's hash. A directory that is not there is not made."""
    from verifier.executors.stateful.embedded.initial_state import genesis_hash  # py-evm takes seconds

    assert values.chain.genesis is not None, "checked with the configuration"
    genesis = load_genesis(values.chain.genesis)
    block_zero = genesis_hash(genesis)
    if not values.storage.embedded.is_dir():
        return 0, block_zero
    executor = open_executor(values.storage.embedded, genesis, sections=False)
    try:
        return executor.head().number, block_zero
    finally:
        executor.close()
