"""An adapter's command line: `--socket PATH`, `--listen HOST:PORT`, `--describe`, `--bench FILE` (see CONTRACT.md)."""

import argparse
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from google.protobuf import json_format

from . import lifeline
from .client import Adapter, Client, load_client
from .endpoint import EndpointError, TcpEndpoint, TlsFiles, tcp_endpoint
from .responses import one_line
from .server import AdapterServer, default_worker_count, describe
from .task import Answered, file_task
from .worker import call_with_deep_stack

log = logging.getLogger(__name__)

EXIT_USAGE = 2
EXIT_MISSING = 3
WARM_UP_RUNS = 2


def main(adapter: Adapter, arguments: Sequence[str] | None = None) -> int:
    """Does what the arguments say; returns the exit status."""
    parser = argparse.ArgumentParser(prog=adapter.name, allow_abbrev=False)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--socket", type=Path, metavar="PATH", help="serve gRPC on this unix-domain socket")
    action.add_argument("--listen", metavar="HOST:PORT", help="serve gRPC over TCP; port 0 lets the system choose")
    action.add_argument("--describe", action="store_true", help="print what the adapter is, and end")
    action.add_argument("--bench", type=Path, metavar="FILE", help="measure the client on a witness file, and end")
    parser.add_argument("--runs", type=_positive, default=10, metavar="N", help="for --bench")
    parser.add_argument("--workers", type=_positive, default=default_worker_count(), help="worker processes")
    tls = ("--tls-certificate", "--tls-key", "--tls-client-ca")
    for name in tls:
        parser.add_argument(name, type=Path, metavar="FILE", help="PEM, for --listen; all three or none")
    options = parser.parse_args(arguments)
    files = [options.tls_certificate, options.tls_key, options.tls_client_ca]
    if any(files) and (options.listen is None or not all(files)):
        parser.error(f"{', '.join(tls)} go together, and with --listen")

    absent = [module for module in adapter.required_modules if find_spec(module) is None]
    if absent:
        _complain(f"{adapter.name}: Python {sys.version.split()[0]} has no module {', '.join(absent)}")
        return EXIT_MISSING
    if options.describe:
        answer = json_format.MessageToJson(describe(adapter, options.workers), indent=None)
        sys.stdout.write(answer + "\n")
        return 0
    if options.bench is not None:
        return _bench(adapter, options.bench, options.runs)
    endpoint = options.socket
    if options.listen is not None:
        try:
            endpoint = tcp_endpoint(options.listen, TlsFiles(*files) if all(files) else None)
        except EndpointError as error:
            _complain(f"{adapter.name}: {one_line(error)}")
            return EXIT_USAGE
    return _serve(adapter, endpoint, options.workers)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


def _complain(line: str) -> None:
    sys.stderr.write(line + "\n")


class _Wake:
    """A pipe that a signal or `set` writes to.

    Not a threading.Event: the kernel may hand a signal to a thread of gRPC's, and the main thread, waiting for a lock,
    would never run the handler.
    """

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        os.set_blocking(self.write, False)

    def set(self) -> None:
        """Ends `wait`."""
        os.write(self.write, b"\0")

    def wait(self) -> None:
        """Returns after the first signal or `set`."""
        os.read(self._read, 1)


def _wake_on_signals() -> _Wake:
    wake = _Wake()
    signal.set_wakeup_fd(wake.write, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the pipe tells
    return wake


def _serve(adapter: Adapter, endpoint: Path | TcpEndpoint, workers: int) -> int:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="time=%(asctime)s level=%(levelname)s %(message)s"
    )
    wake = _wake_on_signals()
    try:
        server = AdapterServer(adapter, endpoint, workers)
    except OSError as error:
        _complain(f"{adapter.name}: {one_line(error)}")
        return EXIT_USAGE
    if isinstance(endpoint, Path):
        lifeline.watch(0, wake.set)  # over TCP nobody holds one
    server.start()
    if isinstance(endpoint, TcpEndpoint):
        log.info("event=listening address=%s", server.address)
    log.info("event=serving adapter=%s socket=%s workers=%d", adapter.name, server.address, workers)
    wake.wait()
    server.stop()
    log.info("event=stopped adapter=%s", adapter.name)
    # Threads may still wait in gRPC or for a worker; nothing is left that they could harm.
    sys.stderr.flush()
    os._exit(0)


def _bench(adapter: Adapter, path: Path, runs: int) -> int:
    def measure() -> list[float]:
        client: Client = load_client(adapter.factory)
        client.warm()
        times = []
        for _ in range(WARM_UP_RUNS + runs):
            started = time.perf_counter_ns()
            client.measure(file_task(path.absolute()))
            times.append((time.perf_counter_ns() - started) / 1e6)
        return times[WARM_UP_RUNS:]

    try:
        times = call_with_deep_stack(measure)
    except Answered as answered:
        _complain(f"{adapter.name}: {one_line(answered.response)}")
        return EXIT_USAGE
    sys.stdout.write(json.dumps({"runs_ms": [round(value, 3) for value in times]}) + "\n")
    return 0
