"""The headers below a block: what py-evm asks its chain database for, recorded."""

from typing import Any

import rlp
from eth.db.atomic import AtomicDB
from eth.exceptions import HeaderNotFound
from eth.vm.header import HeaderSedes

from witness.header import decode_header, keccak256

from ..errors import DatabaseDamagedError
from .database import Reader
from .overlay import Overlay


class ChainView:
    """The part of py-evm's ChainDatabaseAPI that executing one block needs.

    db: the state, as py-evm wants it. Trie nodes of bodies are not kept: nothing reads them.
    """

    def __init__(self, reader: Reader, overlay: Overlay, parent_hash: bytes) -> None:
        self.db = AtomicDB(overlay)
        self._reader = reader
        self._parent_hash = parent_hash
        self._headers: dict[bytes, bytes] = {}
        self.get_block_header_by_hash(parent_hash)

    def get_block_header_by_hash(self, block_hash: bytes) -> Any:
        """py-evm's header object. Raises HeaderNotFound below the genesis block, DatabaseDamagedError."""
        encoded = self._headers.get(block_hash)
        if encoded is None:
            encoded = self._reader.get("headers", block_hash)
            if encoded is None:
                raise HeaderNotFound(f"No header 0x{block_hash.hex()}")
            if keccak256(encoded) != block_hash:
                raise DatabaseDamagedError(f"the database is damaged: header 0x{block_hash.hex()} has other content")
            self._headers[block_hash] = encoded
        return rlp.decode(encoded, sedes=HeaderSedes)

    def headers(self) -> tuple[bytes, ...]:
        """RLP of every ancestor read, ascending, without gaps, the parent last."""
        chain: list[bytes] = []
        block_hash = self._parent_hash
        while block_hash in self._headers:
            chain.append(self._headers[block_hash])
            block_hash = decode_header(chain[-1]).parent_hash
        return tuple(reversed(chain))

    def persist_trie_data_dict(self, nodes: dict[bytes, bytes]) -> None:
        """Nothing: see the class."""

    def get_block_transactions(self, _header: Any, _builder: Any) -> tuple[()]:
        """A block under construction has none yet."""
        return ()

    def get_block_withdrawals(self, _header: Any) -> tuple[()]:
        """A block under construction has none yet."""
        return ()
