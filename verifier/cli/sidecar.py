"""`verifier sidecar`: the two gates, until it is told to stop."""

import asyncio
import contextlib
import logging
import signal
from pathlib import Path
from typing import Any

import click

from verifier.app.notification import notify_supervisor
from verifier.app.sidecar import Sidecar
from verifier.app.watching import configure_logs
from verifier.cli.configuring import configurable, effective
from verifier.configuration.reading import EffectiveConfiguration

log = logging.getLogger(__name__)

EXIT_STOPPED = 0
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@click.command()
@configurable
def sidecar(config: Path | None, **flags: Any) -> int:
    """Stand between consensus client, validator client and execution client, and attest nothing that is not verified.

    Prints one line on standard output when both gates answer: READY and their addresses. Logs go to standard error.
    SIGTERM and SIGINT stop it: the gates first, then the adapters, the ledger last.

    Exit status: 0 stopped by a signal, 2 it cannot start, or cannot go on; the last line says why.
    """
    configuration = effective(config, flags)
    configure_logs(configuration.values.telemetry)
    return asyncio.run(_run(configuration))


async def _run(configuration: EffectiveConfiguration) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    sidecar = Sidecar(configuration)
    running = asyncio.create_task(_serve(sidecar, stop), name="sidecar")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done() and not sidecar.serving:
            running.cancel()  # it is still waiting for the execution client
        with contextlib.suppress(asyncio.CancelledError):
            await running
    finally:
        stopping.cancel()
    return EXIT_STOPPED


async def _serve(sidecar: Sidecar, stop: asyncio.Event) -> None:
    async with sidecar as addresses:
        click.echo(f"READY {addresses}")
        notify_supervisor("READY=1")
        await stop.wait()
        log.info("stopping: the gates take nothing more")
        notify_supervisor("STOPPING=1")
