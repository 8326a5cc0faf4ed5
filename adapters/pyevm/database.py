"""One block's witness as py-evm's databases: nodes and headers to read, a layer of its own for what is written."""

from collections.abc import Mapping
from typing import Any

import rlp
from eth.abc import BlockHeaderAPI
from eth.constants import EMPTY_SHA3
from eth.db.account import AccountDB
from eth.db.atomic import AtomicDB
from eth.db.backends.base import BaseDB
from eth.db.chain import ChainDB
from eth.exceptions import HeaderNotFound
from eth.rlp.accounts import Account
from eth_typing import Address, Hash32

from verifier.rpc.v1 import executor_pb2 as pb
from witness.errors import EncodingError
from witness.model import Octets
from witness.trie_node import decode_node

from .misses import record


class NodeLayer(BaseDB):
    """Trie nodes by hash. A node is copied out of the mapped file and checked when it is first read.

    Bytes that are no well-formed node are as good as missing: py-evm's trie takes some of them for something else.
    """

    def __init__(self, nodes: dict[bytes, Octets]) -> None:
        self._unread = nodes
        self._known: dict[bytes, bytes] = {}

    def __getitem__(self, key: bytes) -> bytes:
        known = self._known.get(key)
        if known is not None:
            return known
        encoded = self._unread.pop(key)
        try:
            decode_node(encoded)
        except EncodingError:
            raise KeyError(key) from None
        node = self._known[key] = bytes(encoded)
        return node

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._known[key] = value

    def __delitem__(self, key: bytes) -> None:
        # Content under its hash is never wrong to keep, and py-evm prunes nodes that other tries may share.
        if key not in self:
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return key in self._known or key in self._unread


class WitnessDatabase(AtomicDB):
    """The block's own database: nodes beneath, codes beside them."""

    def __init__(self, nodes: dict[bytes, Octets], codes: Mapping[bytes, Octets]) -> None:
        super().__init__(NodeLayer(nodes))
        self.codes = codes


class WitnessAccountDB(AccountDB):
    """py-evm's account database; witness codes are looked up apart from nodes, so neither passes for the other."""

    def __init__(self, db: Any, state_root: Hash32) -> None:
        super().__init__(db, state_root)
        self._codes: Mapping[bytes, Octets] = db.codes

    def get_code(self, address: Address) -> bytes:
        """The account's code; MissingBytecode where neither the witness nor this block holds it."""
        code_hash = self.get_code_hash(address)
        if code_hash == EMPTY_SHA3:
            return b""
        code = self._codes.get(code_hash)
        return bytes(code) if code is not None else super().get_code(address)

    def _get_account(self, address: Address, from_journal: bool = True) -> Account:
        try:
            return super()._get_account(address, from_journal)
        except rlp.exceptions.RLPException:
            # A leaf that proves no account: the fault is the witness's (or the trusted root's), not the block's.
            where = f"account 0x{address.hex()} is no account"
            record(pb.Missing(kind=pb.Missing.KIND_NODE, hash=self.state_root, where=where))
            raise


class WitnessChainDB(ChainDB):
    """py-evm's chain database; of the headers it only has the parent's."""

    def __init__(self, db: WitnessDatabase, parent_hash: bytes, parent: BlockHeaderAPI) -> None:
        super().__init__(db)
        self._parent_hash = parent_hash
        self._parent = parent

    def get_block_header_by_hash(self, block_hash: Hash32) -> BlockHeaderAPI:
        """The parent's header. Raises HeaderNotFound for any other."""
        if block_hash != self._parent_hash:
            raise HeaderNotFound(f"header 0x{block_hash.hex()}")
        return self._parent
