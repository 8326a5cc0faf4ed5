"""A client's recorder: a process that imports chains with full state and makes the witness of every block.

Requests and answers are lines of JSON over its standard input and output, a witness file's bytes behind the line of its
block; adapters/CONTRACT.md describes them. The process ends when its standard input does, so it ends with us.
"""

import contextlib
import json
import os
import select
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from verifier.errors import ExecutorError
from verifier.executors.stateless.containment import contained
from verifier.executors.stateless.process import last_line
from witness.chain_config import encode_chain_config
from witness.json_document import load_json
from witness.rlp_encoding import encode_item

from .errors import UnsupportedForkError
from .genesis import STATE_ROOT_INDEX, Genesis

# Seconds for the next block. The slowest test (BLAKE2 with 2^32 rounds) takes geth a minute of a core, and four minutes
# were seen on cores that it shared with much else.
BLOCK_TIMEOUT = 1200.0
# Bytes. Of 14,000 tests all but a few have states of less than 16 KiB; with the whole of it a client that looks at more
# than the recorder does, before an instruction fails, has what it needs.
WHOLE_STATE = 1 << 17
END_TIMEOUT = 2.0  # seconds to end by itself once its input has ended
READ_SIZE = 1 << 18
LONGEST_LINE = 1 << 20  # bytes of an answer, without the file behind it
LONGEST_FILE = 1 << 30  # bytes, docs/witness-format.md
HASH_LENGTH = 32


@dataclass(frozen=True, slots=True)
class RecordedWitness:
    """The witness file of a block whose answer follows, where it does not depend on what the block does."""

    index: int
    number: int
    hash: bytes
    file: bytes


@dataclass(frozen=True, slots=True)
class RecordedBlock:
    """What a client with full state says of one block. reason: its own words.

    rules: that the block breaks, in the contract's words, or "parent" or "block_hash"; the client goes on after the
    first. fields: of the header, where their values are not the computed ones. number, hash: as read from the block,
    zero where nothing can be read. ms: the client's own time. file: its witness file's bytes; b"" where nobody can be
    asked about it, or where it came before.
    """

    index: int
    number: int
    hash: bytes
    accepted: bool
    rules: tuple[str, ...]
    fields: tuple[str, ...]
    reason: str
    file: bytes
    ms: float


class RecorderProcess:
    """A recorder that is started when it is needed, and again where it was lost. A context.

    For one thread, but for `interrupt`.

    name: the client's. command: starts it. whole_state: up to how many bytes of nodes and codes a witness has all of
    the state before the block; where there is more, just what the client reads.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        whole_state: int = WHOLE_STATE,
        block_timeout: float = BLOCK_TIMEOUT,
    ) -> None:
        self._name = name
        self._whole_state = whole_state
        self._command = tuple(command)
        self._block_timeout = block_timeout
        self._process: subprocess.Popen[bytes] | None = None
        # It is contained: what it makes comes through the pipe, and this is all that it may write to.
        self._directory = tempfile.TemporaryDirectory(prefix="verifier-recorder-")
        self._log = Path(self._directory.name) / "recorder.log"
        self._buffer = bytearray()
        self._interrupted = False

    def __enter__(self) -> "RecorderProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process's id, while there is one."""
        return None if self._process is None else self._process.pid

    def record(
        self, genesis: Genesis, blocks: Sequence[tuple[bytes, bytes | None]]
    ) -> Iterator[RecordedWitness | RecordedBlock]:
        """Imports the blocks (RLP, and the hash that is stated or None) on `genesis`, one after the other.

        Raises UnsupportedForkError, ExecutorError; what comes after such a block is not tried.
        """
        finished = False
        try:
            self._send(encode_request(genesis, blocks, self._whole_state))
            while True:
                answer = self._line()
                if "witness" in answer:
                    yield decode_witness(answer["witness"], self._bytes)
                elif "block" in answer:
                    yield decode_block(answer["block"], self._bytes)
                else:
                    finished = True
                    _raise_failure(self._name, answer)
                    return
        except (KeyError, TypeError, ValueError) as error:
            raise ExecutorError(f"{self._name}'s recorder answers what is no answer: {error!r}") from None
        finally:
            if not finished:
                self._end()  # it would go on with what nobody waits for

    def close(self) -> None:
        """Ends the process. `record` would start it again."""
        self._end(gently=True)
        with contextlib.suppress(FileNotFoundError):
            self._directory.cleanup()

    def interrupt(self) -> None:
        """Kills the process; a `record` in another thread notices, and raises ExecutorError. None is started again."""
        self._interrupted = True
        process = self._process
        if process is not None:
            process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        Path(self._directory.name).mkdir(mode=0o700, exist_ok=True)
        command = contained(self._command, Path(self._directory.name))
        try:
            with self._log.open("wb") as log:
                process = subprocess.Popen(  # noqa: S603 - the command is the adapter's own, from its manifest
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0, process_group=0
                )
        except OSError as error:
            raise ExecutorError(f"{self._name}'s recorder cannot be started: {error.strerror}") from error
        os.set_blocking(_pipe(process.stdin).fileno(), False)
        self._buffer.clear()
        return process

    def _end(self, *, gently: bool = False) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            _pipe(process.stdin).close()
        if gently:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_TIMEOUT)
        if process.poll() is None:
            process.kill()
        process.wait()
        _pipe(process.stdout).close()

    def _send(self, request: bytes) -> None:
        if self._interrupted:
            raise ExecutorError(f"{self._name}'s recorder was interrupted")
        if self._process is None:
            self._process = self._start()
        pipe, rest = _pipe(self._process.stdin).fileno(), memoryview(request)
        while rest:
            if not select.select([], [pipe], [], self._block_timeout)[1]:
                raise self._lost(f"takes no request for {self._block_timeout:.0f} s")
            try:
                rest = rest[os.write(pipe, rest) :]
            except OSError:
                raise self._lost("has ended") from None

    def _line(self) -> dict[str, Any]:
        while (length := self._buffer.find(b"\n") + 1) == 0:
            if len(self._buffer) > LONGEST_LINE:
                raise ValueError(f"a line of {len(self._buffer)} bytes")
            self._read()
        line = self._taken(length)
        answer = load_json(line)
        if not isinstance(answer, dict):
            raise TypeError(line[:80])
        return answer

    def _bytes(self, length: int) -> bytes:
        if not 0 <= length <= LONGEST_FILE:
            raise ValueError(f"a file of {length} bytes")
        while len(self._buffer) < length:
            self._read()
        return self._taken(length)

    def _taken(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    def _read(self) -> None:
        assert self._process is not None, "it was asked"
        pipe = _pipe(self._process.stdout).fileno()
        if not select.select([pipe], [], [], self._block_timeout)[0]:
            raise self._lost(f"does not answer for {self._block_timeout:.0f} s")
        chunk = os.read(pipe, READ_SIZE)
        if not chunk:
            raise self._lost("has ended")
        self._buffer += chunk

    def _lost(self, what: str) -> ExecutorError:
        self._end()
        line = last_line(self._log)
        return ExecutorError(f"{self._name}'s recorder {what}{f': {line}' if line else ''}; it is started again")


def encode_request(genesis: Genesis, blocks: Sequence[tuple[bytes, bytes | None]], whole_state: int) -> bytes:
    """The request's line."""
    fields = [bytes(HASH_LENGTH) if field is None else field for field in genesis.header_fields]
    assert genesis.header_fields[STATE_ROOT_INDEX] is not None or not any(fields[STATE_ROOT_INDEX])
    document = {
        "chain_config": encode_chain_config(genesis.config.document).decode(),
        "genesis": _hexadecimal(encode_item(list(fields))),
        "accounts": {
            address.hex(): {
                "balance": hex(account.balance),
                "nonce": hex(account.nonce),
                "code": _hexadecimal(account.code),
                "storage": {f"{slot:064x}": f"{value:064x}" for slot, value in account.storage.items()},
            }
            for address, account in genesis.accounts.items()
        },
        "whole_state": whole_state,
        "blocks": [
            {"rlp": _hexadecimal(encoded), "hash": None if stated is None else _hexadecimal(stated)}
            for encoded, stated in blocks
        ],
    }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def decode_witness(answer: Any, read: Callable[[int], bytes]) -> RecordedWitness:
    """A witness ahead of its block's answer. read: as for decode_block. Raises KeyError, TypeError, ValueError."""
    if not isinstance(answer, dict):
        raise TypeError(f"{str(answer)[:80]} is no witness")
    return RecordedWitness(
        index=_integer(answer["index"]),
        number=_integer(answer["number"]),
        hash=_hash(answer["hash"]),
        file=read(_integer(answer["length"])),
    )


def decode_block(answer: Any, read: Callable[[int], bytes]) -> RecordedBlock:
    """A block's answer. read: reads so many bytes behind its line. Raises KeyError, TypeError, ValueError."""
    if not isinstance(answer, dict):
        raise TypeError(f"{str(answer)[:80]} is no block")
    return RecordedBlock(
        index=_integer(answer["index"]),
        number=_integer(answer["number"]),
        hash=_hash(answer["hash"]),
        accepted=answer["accepted"] is True,
        rules=tuple(str(rule) for rule in answer.get("rules") or ()),
        fields=tuple(str(field) for field in answer.get("fields") or ()),
        reason=str(answer.get("reason", "")),
        file=read(_integer(answer["length"])),
        ms=_integer(answer["us"]) / 1000,
    )


def _raise_failure(name: str, answer: dict[str, Any]) -> None:
    if answer.get("done") is True:
        return
    failure = answer["failure"]
    if failure["kind"] == "unsupported_fork":
        raise UnsupportedForkError(str(failure["reason"]))
    raise ExecutorError(f"{name}'s recorder cannot record: {failure['reason']}")


def _hash(value: Any) -> bytes:
    decoded = bytes.fromhex(str(value).removeprefix("0x"))
    if len(decoded) != HASH_LENGTH:
        raise ValueError(f"a hash of {len(decoded)} bytes")
    return decoded


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise TypeError(f"{str(value)[:80]} is not a number")
    return value


def _hexadecimal(data: bytes) -> str:
    return f"0x{data.hex()}"


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "opened as a pipe"
    return stream
