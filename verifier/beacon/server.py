"""The attestation gate as a server: what validator clients are pointed at in place of their beacon node."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from verifier.domain.event import Observer
from verifier.domain.gate import GateMode
from verifier.services.chain_view import ChainView

from .errors import ServingError
from .gate import HOLD_SECONDS, AttestationGate
from .proxy import BeaconProxy
from .roots import BeaconRoots
from .upstream import MAX_FIELD, MAX_LINE, BeaconNode

LOOPBACK = "127.0.0.1"
CLOSE_SECONDS = 1.0  # until open requests are given up at the end; streams of events never end by themselves


@asynccontextmanager
async def serve_beacon_gate(
    node_url: str,
    mode: GateMode,
    chain: ChainView,
    observer: Observer,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    hold: float = HOLD_SECONDS,
) -> AsyncIterator[str]:
    """The gate before the beacon node at `node_url`, while the context lasts; yields its own URL.

    hold: seconds, see `gate.hold_seconds`. The beacon node need not be there yet. Raises UsageError, ServingError.
    """
    async with BeaconNode(node_url) as node:
        roots = BeaconRoots(node)
        gate = AttestationGate(mode, chain, roots, hold=hold)
        proxy = BeaconProxy(node, gate, observer)
        try:
            async with serve(proxy, host, port) as url:
                yield url
        finally:
            await proxy.close()
            await gate.close()
            await roots.close()


@asynccontextmanager
async def serve(proxy: BeaconProxy, host: str = LOOPBACK, port: int = 0) -> AsyncIterator[str]:
    """Serves `proxy`; yields its URL. port 0: any that is free. Raises ServingError."""
    server = web.Server(
        proxy.handle,
        handler_cancellation=True,  # a client that is gone ends what was asked for it
        auto_decompress=False,
        access_log=None,
        max_line_size=MAX_LINE,
        max_field_size=MAX_FIELD,
    )
    runner = web.ServerRunner(server, shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ServingError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        bound = runner.addresses[0]
        yield f"http://[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"http://{bound[0]}:{bound[1]}"
    finally:
        await runner.cleanup()
