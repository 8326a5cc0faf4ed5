"""A stateful executor for tests: it believes every header, and keeps chain and witnesses in memory."""

from pathlib import Path

from verifier.domain.block import BlockReference
from verifier.domain.result import Computed
from verifier.errors import RollbackDepthError, UnknownBlockError
from witness.chain_config import parse_chain_config
from witness.errors import EncodingError
from witness.header import block_header_rlp, decode_header
from witness.model import BlockWitness, Witness

from .base import ImportOutcome
from .errors import UndecodableBlockError


class MemorySink:
    """Keeps published witnesses by block hash."""

    def __init__(self) -> None:
        self.published: dict[bytes, BlockWitness] = {}

    def publish(self, content: BlockWitness) -> Path | None:
        """Keeps the content; there is no file."""
        self.published[content.hash] = content
        return None


class FakeStatefulExecutor:
    """Accepts every decodable block whose parent it knows, except those named in `invalid` (hash → reason).

    genesis_header: RLP; chain_config: geth-genesis JSON that goes into the witnesses.
    """

    def __init__(
        self,
        genesis_header: bytes,
        chain_config: bytes = b'{"chainId":1}',
        *,
        invalid: dict[bytes, str] | None = None,
        rollback_depth: int = 64,
    ) -> None:
        genesis = decode_header(genesis_header)
        self._headers = {genesis.hash: genesis_header}
        self._chain_config = chain_config
        self._chain_id = parse_chain_config(chain_config).chain_id
        self._head = BlockReference(self._chain_id, genesis.number, genesis.hash)
        self._invalid = invalid or {}
        self._rollback_depth = rollback_depth

    def import_block(self, encoded: bytes) -> ImportOutcome:
        """As StatefulExecutor.import_block; the witness holds the parent's header alone."""
        try:
            header_rlp = bytes(block_header_rlp(encoded))
            header = decode_header(header_rlp)
        except EncodingError as error:
            raise UndecodableBlockError(str(error)) from None
        parent = self._headers.get(header.parent_hash)
        if parent is None:
            raise UnknownBlockError(f"parent 0x{header.parent_hash.hex()} of block {header.number} is not known")
        block = BlockReference(self._chain_id, header.number, header.hash)
        witness = Witness((), (), (parent,))
        content = BlockWitness(self._chain_id, header.number, header.hash, encoded, witness, self._chain_config)
        if header.hash in self._invalid:
            return ImportOutcome(block, "", invalid=self._invalid[header.hash], witness=content)
        self._headers[header.hash] = header_rlp
        if header.number > self._head.number:
            self._head = block
        results = Computed(
            state_root=header.state_root,
            receipts_root=header.receipts_root,
            logs_bloom=header.logs_bloom,
            gas_used=header.gas_used,
            transactions_root=header.transactions_root,
            blob_gas_used=header.blob_gas_used,
            withdrawals_root=header.withdrawals_root,
            requests_hash=header.requests_hash,
        )
        return ImportOutcome(block, "", results=results, witness=content)

    def execute(self, encoded: bytes) -> ImportOutcome:
        """As EmbeddedExecutor.execute."""
        before = dict(self._headers), self._head
        try:
            return self.import_block(encoded)
        finally:
            self._headers, self._head = before

    def knows(self, block_hash: bytes) -> bool:
        """As EmbeddedExecutor.knows."""
        return block_hash in self._headers

    def close(self) -> None:
        """Nothing is open."""

    def rollback(self, to: bytes) -> BlockReference:
        """As StatefulExecutor.rollback."""
        encoded = self._headers.get(to)
        if encoded is None:
            raise UnknownBlockError(f"block 0x{to.hex()} is not known")
        header = decode_header(encoded)
        if self._head.number - header.number > self._rollback_depth:
            raise RollbackDepthError(f"block {header.number} is more than {self._rollback_depth} below the head")
        self._head = BlockReference(self._chain_id, header.number, header.hash)
        return self._head

    def head(self) -> BlockReference:
        """As StatefulExecutor.head."""
        return self._head
