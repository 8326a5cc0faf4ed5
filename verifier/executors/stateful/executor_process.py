"""An executor in a process of its own: what it computes in one long step must not keep this one's threads from running.

py-evm and the libraries below it keep the interpreter's lock for seconds in some steps, and in a thread of this process
that would stop the gates (decision 20). It ends with us, however we end.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from verifier.domain.block import BlockReference
from verifier.errors import ExecutorError, VerifierError

from .base import ImportOutcome
from .follower import FollowingExecutor

# Seconds for it to end once its database is closed.
END_TIMEOUT = 10.0


class ExecutorProcess:
    """A FollowingExecutor whose calls wait for the process. For one thread. Started again where it was lost.

    open_executor: picklable, called there. Raises what it raises, and ExecutorError where the process ends.
    """

    def __init__(self, open_executor: Callable[[], FollowingExecutor]) -> None:
        self._open = open_executor
        self._process: Any = None
        self._connection: Connection | None = None
        self._lifeline: Connection | None = None
        self._start()

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return None if self._process is None else self._process.pid

    def import_block(self, encoded: bytes) -> ImportOutcome:
        """As StatefulExecutor.import_block."""
        outcome: ImportOutcome = self._ask("import_block", encoded)
        return outcome

    def execute(self, encoded: bytes) -> ImportOutcome:
        """As FollowingExecutor.execute."""
        outcome: ImportOutcome = self._ask("execute", encoded)
        return outcome

    def knows(self, block_hash: bytes) -> bool:
        """As FollowingExecutor.knows."""
        return bool(self._ask("knows", block_hash))

    def rollback(self, to: bytes) -> BlockReference:
        """As StatefulExecutor.rollback."""
        head: BlockReference = self._ask("rollback", to)
        return head

    def head(self) -> BlockReference:
        """As StatefulExecutor.head."""
        head: BlockReference = self._ask("head")
        return head

    def close(self) -> None:
        """Closes its database and ends it."""
        if self._process is None:
            return
        try:
            self._ask("close")
        except ExecutorError:
            return  # it has ended already
        self._end()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        end_of_theirs, lifeline = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_serve, args=(self._open, theirs, end_of_theirs), name="embedded executor", daemon=True
        )
        try:
            self._process.start()
        except OSError as error:
            self._process = None
            raise ExecutorError(f"the embedded executor's process cannot be started: {error.strerror}") from error
        finally:
            theirs.close()
            end_of_theirs.close()
        self._connection, self._lifeline = ours, lifeline
        try:
            self._receive()
        except BaseException:
            self._end()
            raise

    def _ask(self, method: str, *arguments: object) -> Any:
        if self._process is None:
            self._start()
        assert self._connection is not None, "it was started"
        try:
            self._connection.send((method, arguments))
        except OSError:
            raise self._lost() from None
        return self._receive()

    def _receive(self) -> Any:
        assert self._connection is not None, "it was started"
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            raise self._lost() from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _lost(self) -> ExecutorError:
        status = self._end()
        return ExecutorError(f"the embedded executor's process has ended (status {status}); it is started again")

    def _end(self) -> int | None:
        """Its exit status, if it is known."""
        process, self._process = self._process, None
        for each in (self._connection, self._lifeline):
            if each is not None:
                each.close()
        if process is None:
            return None
        process.join(END_TIMEOUT)
        if process.exitcode is None:
            process.kill()
            process.join()
        status: int | None = process.exitcode
        process.close()
        return status


def _serve(open_executor: Callable[[], FollowingExecutor], connection: Connection, lifeline: Connection) -> None:
    """The process: opens the executor and answers one call after the other. None as the first answer: it is open."""
    # Ctrl-C goes to the whole group; whoever started us tells when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    try:
        executor = open_executor()
    except Exception as error:
        connection.send(_told(error))
        return
    connection.send(None)
    while True:
        try:
            method, arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = getattr(executor, method)(*arguments)
        except Exception as error:
            answer = _told(error)
        connection.send(answer)
        if method == "close":
            return


def _end_with(lifeline: Connection) -> None:
    """Ends this process as soon as the other one is gone, also in the middle of a block: a commit is all or nothing."""
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def _told(error: Exception) -> Exception:
    if isinstance(error, VerifierError):
        return error
    return ExecutorError(f"the embedded executor failed: {type(error).__name__}: {' '.join(str(error).split())}")
