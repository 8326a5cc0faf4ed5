"""Checks of `--listen`: plain TCP on this machine only, and beyond it nobody without a certificate of the authority."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc

from verifier.executors.stateless.address import Address, TlsFiles
from verifier.rpc.v1 import executor_pb2 as pb

from .certificates import Certificates, make_certificates
from .connection import GrpcConnection
from .descriptions import EXIT_USAGE, run
from .evidence import Evidence
from .instance import EXIT_TIMEOUT, Instance
from .processes import NOT_OURS
from .subject import ANSWER_TIMEOUT, Subject, request_for, right
from .tracing import read_whole
from .uploads import digest, parts

ANY_PORT = "127.0.0.1:0"
# None of this machine's loopback addresses; 192.0.2.1 is nobody's (RFC 5737).
EXPOSED = ("0.0.0.0:0", "[::]:0", "192.0.2.1:0")
# Seconds for wrong arguments to be refused: nothing is loaded for that, and one that listens instead does so for ever.
ARGUMENTS_TIMEOUT = 20.0
QUIET = 0.5  # seconds in which a process without a lifeline could notice that its standard input has ended


async def plain_loopback(subject: Subject, evidence: Evidence) -> None:
    """Without TLS it serves on a loopback address, logs the port that the system chose, and reads no standard input."""
    if not _ours(subject, evidence):
        return
    async with _listening(subject, "p") as instance:
        address = await instance.listening()
        instance.close_standard_input()
        connection = await instance.wait_serving(address)
        await _serves(subject, evidence, connection, f"on {address}")
        await asyncio.sleep(QUIET)
        evidence.expect(instance.running, f"it ended with its standard input: {instance.ending()}")
        await connection.close()
        evidence.note(f"on {address}, with standard input at its end")


async def terminated(subject: Subject, evidence: Evidence) -> None:
    """SIGTERM and SIGINT end it: exit 0, nobody listening any more, no child process left."""
    if not _ours(subject, evidence):
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        async with _listening(subject, "t") as instance:
            address = await instance.listening()
            connection = await instance.wait_answering(address)
            children = instance.note_children()
            instance.send_signal(number)
            status = await instance.wait_exit()
            ended = evidence.expect(status is not None, f"{number.name}: it still runs after {EXIT_TIMEOUT:.0f} s")
            evidence.expect(not ended or status == 0, f"{number.name}: {instance.ending()}")
            left = await instance.children_left() if ended else []
            evidence.expect(not left, f"{number.name}: {len(left)} of {len(children)} child processes still run")
            await connection.close()
            evidence.expect(not await _is_open(address), f"{number.name}: somebody still listens on {address}")
    evidence.note("SIGTERM and SIGINT")


async def arguments(subject: Subject, evidence: Evidence) -> None:
    """Without TLS a HOST that is not loopback is exit status 2; so is one TLS file without the others."""
    if not _ours(subject, evidence):
        return
    with _certificates() as made:
        files = [("--tls-certificate", made.server.certificate), ("--tls-key", made.server.key)]
        files.append(("--tls-client-ca", made.server.ca))
        lines = [["--listen", host] for host in (*EXPOSED, "127.0.0.1", "127.0.0.1:65536")] + [["--listen"]]
        for missing in range(len(files)):
            given = [str(each) for index, pair in enumerate(files) if index != missing for each in pair]
            lines.append(["--listen", ANY_PORT, *given])
        for line in lines:
            status, output, _ = await run(subject, *line, timeout=ARGUMENTS_TIMEOUT)
            shown = " ".join(line[:2]) + (" with two of three TLS files" if len(line) > 2 else "")
            evidence.expect(status == EXIT_USAGE, f"{shown}: exit status {status}, not {EXIT_USAGE}")
            evidence.expect(not output, f"{shown}: {output[:80]!r} on standard output")
        evidence.note(f"{len(lines)} command lines")


async def mutual_tls(subject: Subject, evidence: Evidence) -> None:
    """With TLS who shows a certificate of the authority is served as anyone is on a socket."""
    if not _ours(subject, evidence):
        return
    with _certificates() as made:
        async with _listening(subject, "m", made.server) as instance:
            address = await instance.listening(made.client)
            connection = await instance.wait_serving(address)
            await _serves(subject, evidence, connection, "mutual TLS")
            await connection.close()
    evidence.note("Describe, Health, Execute, Upload and Trace, as far as it has them")


async def no_certificate(subject: Subject, evidence: Evidence) -> None:
    """With TLS who shows no certificate, or speaks no TLS, is not served."""
    if not _ours(subject, evidence):
        return
    async with _guarded(subject, evidence, "n") as (address, made):
        bare = grpc.ssl_channel_credentials(made.client.ca.read_bytes())
        for name, channel in (
            ("without a certificate", grpc.aio.secure_channel(str(address), bare)),
            ("without TLS", grpc.aio.insecure_channel(str(address))),
        ):
            await _is_refused(evidence, name, GrpcConnection(address, channel))
    evidence.note("no certificate, and no TLS")


async def other_authority(subject: Subject, evidence: Evidence) -> None:
    """With TLS a certificate of another authority is as good as none."""
    if not _ours(subject, evidence):
        return
    async with _guarded(subject, evidence, "o") as (address, made):
        stranger = Address(host=address.host, port=address.port, tls=made.stranger)
        await _is_refused(evidence, "a certificate of another authority", GrpcConnection(stranger))
    evidence.note("one certificate")


async def _serves(subject: Subject, evidence: Evidence, connection: GrpcConnection, what: str) -> None:
    """Judges that everything is served over a connection, the witness sent along."""
    description = await connection.describe()
    evidence.expect(description == subject.description, f"{what}: Describe says something else than on the socket")
    for service in ("", "verifier.rpc.v1.StatelessExecutor"):
        status = await connection.health(service)
        evidence.expect(status == "SERVING", f"{what}: health of {service!r} is {status}")
    for block in subject.blocks[-1:]:
        content = block.path.read_bytes()
        request = request_for(block, block.path, content=content)
        answer = await connection.execute(request, ANSWER_TIMEOUT)
        evidence.expect(right(answer, block), f"{what}: {answer}")
        if subject.description.uploads:
            uploaded = await connection.upload(parts(content), ANSWER_TIMEOUT)
            evidence.expect(uploaded.status is grpc.StatusCode.OK, f"{what}: Upload {uploaded}")
            request = request_for(block, block.path, uploaded=digest(content))
            answer = await connection.execute(request, ANSWER_TIMEOUT)
            evidence.expect(right(answer, block), f"{what}, uploaded: {answer}")
        if subject.description.traces:
            found = await read_whole(connection.trace(pb.TraceRequest(execution=request), ANSWER_TIMEOUT))
            evidence.expect(right(found.outcome, block), f"{what}: Trace {found.outcome}")


async def _is_open(address: Address) -> bool:
    try:
        _, writer = await address.open()
    except OSError:
        return False
    writer.close()
    return True


async def _is_refused(evidence: Evidence, name: str, connection: GrpcConnection) -> None:
    described = await connection.describe()
    evidence.expect(described is None, f"{name}: Describe is answered")
    status = await connection.health("")
    evidence.expect(status == "UNAVAILABLE", f"{name}: Health is {status}")
    await connection.close()


@asynccontextmanager
async def _guarded(subject: Subject, evidence: Evidence, name: str) -> AsyncIterator[tuple[Address, Certificates]]:
    """The address of one more process, with TLS. Who shows the right certificate is served before and afterwards."""
    with _certificates() as made:
        async with _listening(subject, name, made.server) as instance:
            address = await instance.listening(made.client)
            # Before, so that it is known to be there.
            right_one = await instance.wait_answering(address)
            yield address, made
            evidence.expect(await right_one.describe() is not None, "afterwards nobody is served")
            await right_one.close()


@contextmanager
def _certificates() -> Iterator[Certificates]:
    with tempfile.TemporaryDirectory(prefix="verifier-tls-") as directory:
        yield make_certificates(Path(directory))


@asynccontextmanager
async def _listening(subject: Subject, name: str, tls: TlsFiles | None = None) -> AsyncIterator[Instance]:
    """One more process of the same adapter, on a port of this machine."""
    assert subject.manifest is not None
    assert subject.instance is not None
    instance = Instance(subject.manifest, subject.instance.socket.parent, name)
    files = (
        () if tls is None else ("--tls-certificate", tls.certificate, "--tls-key", tls.key, "--tls-client-ca", tls.ca)
    )
    try:
        await instance.start(listen=ANY_PORT, tls=[str(each) for each in files])
        yield instance
    finally:
        await instance.kill()


def _ours(subject: Subject, evidence: Evidence) -> bool:
    if subject.manifest is None:
        evidence.not_applicable(NOT_OURS)
    return subject.manifest is not None
