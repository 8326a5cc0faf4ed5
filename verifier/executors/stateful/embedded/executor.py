"""The embedded stateful executor.

Order of effects: a block's witness file is published **before** its import is committed. A crash between the two
leaves a file of a block that the database does not have yet; importing the block again gives the same bytes and
replaces the file. The other order could leave a block in the chain whose witness is nowhere.
"""

from contextlib import AbstractContextManager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

import rlp

from machine.configuration import Parts
from verifier.domain.block import BlockReference
from verifier.errors import ExecutorError, RollbackDepthError, UnknownBlockError
from witness.chain_config import encode_chain_config
from witness.errors import EncodingError
from witness.header import decode_block_header, decode_header, keccak256
from witness.model import BlockWitness, Header
from witness.rlp_item import list_items

from ..base import ImportOutcome, WitnessSink
from ..errors import DatabaseDamagedError, UndecodableBlockError
from ..genesis import Genesis
from .claims import encode_invalid, encode_results
from .database import (
    INITIAL_MAP_SIZE,
    Database,
    Reader,
    Writer,
    check_identity,
    encode_identity,
    number_key,
    open_database,
)
from .execution import BlockRun, Execution
from .initial_state import build_genesis
from .machine import PARTS
from .memory import MemoryDatabase

DEFAULT_ROLLBACK_DEPTH = 128  # blocks; four epochs, twice what finality needs
LARGEST_NUMBER = (1 << 64) - 1
PRODUCER = b'{"name":"py-evm","source":"embedded stateful executor","version":"%s"}' % version("py-evm").encode()


class EmbeddedExecutor:
    """py-evm over LMDB, as a StatefulExecutor. One per directory at a time; not for several threads.

    directory: the database's, created if absent; None: it is in memory, and gone with the executor. sink: receives
    every witness. rollback_depth: how many blocks below the head `rollback` and side branches may reach. sync: force
    commits to the disk (see `database`).
    sections: record prestate and poststate too. whole_state: up to how many bytes of nodes and codes a witness has all
    of the state before the block; where there is more, and by default, it has what was read. parts: what its machine is
    made of, beside py-evm.
    Raises InputError (genesis), ForeignDatabaseError, DatabaseInUseError, DatabaseDamagedError, DatabaseFullError.
    """

    def __init__(
        self,
        directory: Path | None,
        genesis: Genesis,
        sink: WitnessSink,
        *,
        rollback_depth: int = DEFAULT_ROLLBACK_DEPTH,
        sync: bool = True,
        map_size: int = INITIAL_MAP_SIZE,
        sections: bool = True,
        whole_state: int = 0,
        parts: Parts = PARTS,
    ) -> None:
        self._sections = sections
        self._whole_state = whole_state
        self._parts = parts
        self._config = genesis.config
        self._chain_config = encode_chain_config(genesis.config.document)
        self._sink = sink
        self._rollback_depth = rollback_depth
        header, nodes = build_genesis(genesis)
        self._database: Database | MemoryDatabase = (
            MemoryDatabase() if directory is None else open_database(directory, sync=sync, map_size=map_size)
        )
        try:
            self._start(header, nodes)
        except BaseException:
            self._database.close()
            raise

    def _start(self, genesis_header: bytes, nodes: dict[bytes, bytes]) -> None:
        genesis = decode_header(genesis_header)

        def create(writer: Writer) -> None:
            for hash_, value in nodes.items():
                writer.put("state", hash_, value)
            writer.put("headers", genesis.hash, genesis_header)
            writer.put("difficulties", genesis.hash, rlp.encode(genesis.difficulty))
            writer.put("canonical", number_key(genesis.number), genesis.hash)
            writer.put("meta", b"head", genesis.hash)
            writer.put("meta", b"identity", encode_identity(self._config.chain_id, genesis.hash))

        with self._database.reading() as reader:
            known = check_identity(reader, self._database.directory, self._config.chain_id, genesis.hash)
        if not known:
            self._database.write(create)
        self.head()

    def import_block(self, encoded: bytes) -> ImportOutcome:
        """As StatefulExecutor.import_block."""
        header = _decoded(encoded)
        with self._database.reading() as reader:
            parent = self._parent(reader, header)
            fork = self._fork(reader, header)
            block = BlockReference(self._config.chain_id, header.number, header.hash)
            if reader.get("canonical", number_key(header.number)) == header.hash:
                return ImportOutcome(block, fork, known=True)
            head = self._head(reader)
            if head.number - parent.number > self._rollback_depth:
                raise RollbackDepthError(
                    f"block {block} stands on block {parent.number}, {head.number - parent.number} below the head;"
                    f" the executor keeps to {self._rollback_depth}"
                )
            outcome, execution = self._execute(reader, encoded, header, fork)
        content = outcome.witness
        assert content is not None, "it was executed"
        try:
            path = self._sink.publish(content)
        except OSError as error:
            raise ExecutorError(f"the witness of block {block} cannot be published: {error}") from error
        if execution.results is not None:
            self._commit(encoded, header, execution, bytes(content.expected or b""))
        return replace(outcome, path=path)

    def execute(self, encoded: bytes) -> ImportOutcome:
        """As import_block, also for a block that the chain has, on whatever parent it has; and nothing is kept of it.

        No state is ever deleted, so that any block can be executed again. Raises as import_block, but for the depth.
        """
        header = _decoded(encoded)
        with self._database.reading() as reader:
            self._parent(reader, header)
            return self._execute(reader, encoded, header, self._fork(reader, header))[0]

    def knows(self, block_hash: bytes) -> bool:
        """Whether a block was imported as valid, or is the genesis block: others can be executed on it."""
        with self._database.reading() as reader:
            return reader.get("headers", block_hash) is not None

    def _execute(self, reader: Reader, encoded: bytes, header: Header, fork: str) -> tuple[ImportOutcome, Execution]:
        run = BlockRun(
            self._config,
            fork,
            encoded,
            header.parent_hash,
            reader,
            sections=self._sections,
            whole_state=self._whole_state,
            parts=self._parts,
        )
        execution = run.execute()
        expected = (
            encode_results(execution.results)
            if execution.results is not None
            else encode_invalid(execution.invalid or "")
        )
        content = BlockWitness(
            chain_id=self._config.chain_id,
            number=header.number,
            hash=header.hash,
            block=encoded,
            witness=execution.witness,
            chain_config=self._chain_config,
            prestate=execution.prestate,
            poststate=execution.poststate,
            expected=expected,
            producer=PRODUCER,
        )
        outcome = ImportOutcome(
            BlockReference(self._config.chain_id, header.number, header.hash),
            fork,
            results=execution.results,
            invalid=execution.invalid,
            witness=content,
            requests=execution.requests,
            rules=execution.rules,
            fields=execution.fields,
        )
        return outcome, execution

    def rollback(self, to: bytes) -> BlockReference:
        """As StatefulExecutor.rollback. The blocks above stay known, and can be imported again."""

        def change(writer: Writer) -> BlockReference:
            encoded = writer.get("headers", to)
            if encoded is None:
                raise UnknownBlockError(f"block 0x{to.hex()} is not known")
            header = decode_header(encoded)
            head = self._head(writer)
            if writer.get("canonical", number_key(header.number)) != to:
                raise UnknownBlockError(f"block 0x{to.hex()} is not the head or an ancestor of it")
            if head.number - header.number > self._rollback_depth:
                raise RollbackDepthError(
                    f"block {header.number} is {head.number - header.number} below the head;"
                    f" the executor keeps to {self._rollback_depth}"
                )
            for number in range(header.number + 1, head.number + 1):
                writer.delete("canonical", number_key(number))
            writer.put("meta", b"head", to)
            return BlockReference(self._config.chain_id, header.number, to)

        return self._database.write(change)

    def head(self) -> BlockReference:
        """As StatefulExecutor.head."""
        with self._database.reading() as reader:
            head = self._head(reader)
            return BlockReference(self._config.chain_id, head.number, head.hash)

    def results(self, block_hash: bytes) -> bytes | None:
        """The JSON kept for a valid block (as in the witness file's `expected`); None for any other hash."""
        with self._database.reading() as reader:
            return reader.get("results", block_hash)

    def reading(self) -> AbstractContextManager[Reader]:
        """A snapshot of the database, to read from."""
        return self._database.reading()

    def close(self) -> None:
        """Closes the database. May be called again."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _head(self, reader: Reader) -> Header:
        hash_ = reader.get("meta", b"head")
        header = None if hash_ is None else reader.get("headers", hash_)
        if header is None or keccak256(header) != hash_:
            raise DatabaseDamagedError(f"{self._database.directory}: the head is not in the database")
        return decode_header(header)

    @staticmethod
    def _parent(reader: Reader, header: Header) -> Header:
        encoded = reader.get("headers", header.parent_hash)
        if encoded is None:
            raise UnknownBlockError(
                f"parent 0x{header.parent_hash.hex()} of block {header.number} 0x{header.hash.hex()} is not known"
            )
        return decode_header(encoded)

    def _fork(self, reader: Reader, header: Header) -> str:
        """The block's fork; Paris by total difficulty (EIP-3675), as a header alone can claim anything."""
        terminal = self._config.document.get("terminalTotalDifficulty")
        paris = terminal is not None and self._difficulty(reader, header.parent_hash) >= int(terminal)
        return self._config.fork(header.number, header.timestamp, paris=paris)

    @staticmethod
    def _difficulty(reader: Reader, hash_: bytes) -> int:
        encoded = reader.get("difficulties", hash_)
        if encoded is None:
            raise DatabaseDamagedError(f"the database lacks the total difficulty of block 0x{hash_.hex()}")
        return int(rlp.decode(encoded, sedes=rlp.sedes.big_endian_int))

    def _commit(self, encoded: bytes, header: Header, execution: Execution, results: bytes) -> None:
        def change(writer: Writer) -> None:
            for hash_, value in execution.written.items():
                writer.put("state", hash_, value)
            _, start, _, end = list_items(encoded)[0]
            writer.put("headers", header.hash, encoded[start:end])
            writer.put("blocks", header.hash, encoded)
            writer.put("results", header.hash, results)
            difficulty = self._difficulty(writer, header.parent_hash) + header.difficulty
            writer.put("difficulties", header.hash, rlp.encode(difficulty))
            if header.number > self._head(writer).number:
                self._set_head(writer, header)

        self._database.write(change)

    @staticmethod
    def _set_head(writer: Writer, header: Header) -> None:
        writer.put("meta", b"head", header.hash)
        number, hash_, parent = header.number, header.hash, header.parent_hash
        while writer.get("canonical", number_key(number)) != hash_:
            writer.put("canonical", number_key(number), hash_)
            number, hash_ = number - 1, parent
            ancestor = writer.get("headers", hash_)
            if ancestor is None:
                break  # the genesis block's parent
            parent = decode_header(ancestor).parent_hash


def _decoded(encoded: bytes) -> Header:
    """The header of a block whose outer form is right: header, transactions and uncles, each a list."""
    try:
        items = list_items(encoded)
        if len(items) < 3 or not all(nested for nested, *_ in items[:3]):
            raise EncodingError("a block is a list of header, transactions and uncles")
        header = decode_block_header(encoded)
    except EncodingError as error:
        raise UndecodableBlockError(f"not a block: {error}") from None
    if header.number > LARGEST_NUMBER:
        raise UndecodableBlockError(f"not a block: its number {header.number} does not fit 64 bits")
    return header
