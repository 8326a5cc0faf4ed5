"""Checks of the process: how it comes, how it ends, and that nothing of it is left."""

import asyncio
import signal
import socket as sockets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from stat import S_ISSOCK

from .connection import Connection
from .deadlines import CANCEL_AFTER
from .evidence import Evidence
from .instance import EXIT_TIMEOUT, Instance, mode_of
from .subject import ANSWER_TIMEOUT, Subject, request_for, right

NOT_OURS = "it is known by its address only: the kit does not start or end it"
PRIVATE = 0o600  # the socket's mode


async def socket_mode(subject: Subject, evidence: Evidence) -> None:
    """The socket is of mode 0600."""
    path = subject.address.path
    if path is None:
        evidence.not_applicable("it does not listen on a unix-domain socket")
        return
    if not evidence.expect(path.exists() and S_ISSOCK(path.stat().st_mode), f"{path} is no socket"):
        return
    mode = mode_of(path)
    evidence.expect(mode == PRIVATE, f"mode {mode:04o}")
    evidence.note(f"mode {mode:04o}")


async def stale_socket(subject: Subject, evidence: Evidence) -> None:
    """What lies at the socket's path is replaced: a socket that nobody listens on, and an ordinary file."""
    if subject.manifest is None:
        evidence.not_applicable(NOT_OURS)
        return
    for kind in ("socket", "file"):
        async with _another(subject, f"s{kind[0]}") as instance:
            if kind == "socket":
                with sockets.socket(sockets.AF_UNIX) as stale:
                    stale.bind(str(instance.socket))
            else:
                instance.socket.write_text("left behind")
            await instance.start()
            connection = await instance.wait_answering()
            await connection.close()
            is_socket = S_ISSOCK(instance.socket.stat().st_mode)
            evidence.expect(is_socket, f"the {kind} at its path is still there")
            evidence.expect(mode_of(instance.socket) == PRIVATE, f"after a {kind}: mode {mode_of(instance.socket):04o}")
    evidence.note("a socket and a file")


async def standard_output(subject: Subject, evidence: Evidence) -> None:
    """Nothing was written to standard output by all that was asked so far."""
    if subject.instance is None:
        evidence.not_applicable(NOT_OURS)
        return
    written = subject.instance.output.read_bytes()
    evidence.expect(not written, f"{len(written)} bytes on standard output: {written[:60]!r}")


async def lifeline(subject: Subject, evidence: Evidence) -> None:
    """When standard input ends: exit 0, the socket gone, no child process left. Also before it is warm."""
    await _ends(subject, evidence, "l", Instance.close_standard_input)


async def terminated(subject: Subject, evidence: Evidence) -> None:
    """SIGTERM: exit 0, the socket gone, no child process left."""
    await _ends(subject, evidence, "t", lambda instance: instance.send_signal(signal.SIGTERM))


async def interrupted(subject: Subject, evidence: Evidence) -> None:
    """SIGINT: exit 0, the socket gone, no child process left."""
    await _ends(subject, evidence, "i", lambda instance: instance.send_signal(signal.SIGINT))


async def killed(subject: Subject, evidence: Evidence) -> None:
    """SIGKILL while requests run: no child process left, and a new one can start on the same socket."""
    if subject.instance is None:
        evidence.not_applicable(NOT_OURS)
        return
    instance = subject.instance
    running = await _busy(subject, subject.connection)
    children = instance.note_children()
    instance.send_signal(signal.SIGKILL)
    await instance.wait_exit()
    left = await instance.children_left()
    evidence.expect(not left, f"after SIGKILL {len(left)} of {len(children)} child processes still run: {left}")
    await asyncio.gather(*running)
    await subject.connection.close()
    await instance.start(inherit=True)
    subject.connection = await instance.wait_serving()
    if subject.blocks:
        answer = await subject.ask(subject.blocks[-1])
        evidence.expect(right(answer, subject.blocks[-1]), f"the new one on the same socket: {answer}")
    evidence.note(f"{len(running)} requests under way, {len(children)} child processes")


async def lifeline_busy(subject: Subject, evidence: Evidence) -> None:
    """When standard input ends while requests run: exit 0, the socket gone, no child process left."""
    if subject.instance is None:
        evidence.not_applicable(NOT_OURS)
        return
    running = await _busy(subject, subject.connection)
    await _judge_end(subject.instance, evidence, Instance.close_standard_input)
    await asyncio.gather(*running)
    evidence.note(f"{len(running)} requests under way")


async def _ends(subject: Subject, evidence: Evidence, name: str, end: Callable[[Instance], None]) -> None:
    if subject.manifest is None:
        evidence.not_applicable(NOT_OURS)
        return
    async with _another(subject, name) as instance:
        await instance.start()
        connection = await instance.wait_answering()
        await _judge_end(instance, evidence, end)
        await connection.close()


async def _judge_end(instance: Instance, evidence: Evidence, end: Callable[[Instance], None]) -> None:
    children = instance.note_children()
    end(instance)
    status = await instance.wait_exit()
    if status is None:
        evidence.expect(False, f"it still runs after {EXIT_TIMEOUT:.0f} s")
        return
    evidence.expect(status == 0, instance.ending())
    evidence.expect(not instance.socket.exists(), "the socket is still there")
    left = await instance.children_left()
    evidence.expect(not left, f"{len(left)} of {len(children)} child processes still run: {left}")
    evidence.note(f"{len(children)} child processes gone with it")


async def _busy(subject: Subject, connection: Connection) -> list["asyncio.Task[object]"]:
    """Requests that take long, under way in every place, as far as it lists their fork."""
    endless = subject.bundle.endless
    if endless.fork not in subject.description.forks:
        return []
    request = request_for(endless, endless.path)
    tasks: list[asyncio.Task[object]] = [
        asyncio.create_task(connection.execute(request, ANSWER_TIMEOUT)) for _ in range(subject.places)
    ]
    await asyncio.sleep(CANCEL_AFTER)
    return tasks


@asynccontextmanager
async def _another(subject: Subject, name: str) -> AsyncIterator[Instance]:
    """One more process of the same adapter, beside the one under examination."""
    assert subject.manifest is not None
    assert subject.instance is not None
    instance = Instance(subject.manifest, subject.instance.socket.parent, name)
    try:
        yield instance
    finally:
        await instance.kill()
