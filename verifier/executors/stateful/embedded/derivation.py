"""The sections prestate and poststate of a block that somebody else witnessed: executed over its witness once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import rlp
from eth.constants import BLANK_ROOT_HASH, EMPTY_SHA256, EMPTY_UNCLE_HASH
from eth.exceptions import HeaderNotFound
from eth.vm.header import HeaderSedes
from eth.vm.interrupt import EVMMissingData

from machine import configuration
from machine.osaka import check_block_size
from verifier.errors import ExecutorError
from witness.chain_config import ChainConfig
from witness.errors import EncodingError
from witness.header import block_header_rlp, decode_header, keccak256
from witness.model import BlockWitness, Octets, Witness
from witness.trie import nodes_by_hash
from witness.trie_node import decode_node

from .ancestors import ChainView
from .database import Reader
from .execution import UNDECODABLE, BlockRun, Check, one_line
from .instructions import noting
from .machine import RecordingMachine, RecordingState, machine_class
from .overlay import Overlay
from .rules import check_blob_gas, check_header

# The block's own header before anything is computed, where there is no parent to make one from.
NOTHING_COMPUTED: dict[str, Any] = {
    "transaction_root": BLANK_ROOT_HASH,
    "receipt_root": BLANK_ROOT_HASH,
    "uncles_hash": EMPTY_UNCLE_HASH,
    "bloom": 0,
    "gas_used": 0,
    "withdrawals_root": BLANK_ROOT_HASH,
    "blob_gas_used": 0,
    "requests_hash": EMPTY_SHA256,
}


@dataclass(frozen=True, slots=True)
class Derivation:
    """Sections of a witness file. poststate: None unless the block was found valid, and the witness complete.

    invalid: the rule that the block breaks; incomplete: what the witness lacks. Where either is set, the prestate holds
    what was read until then, and what the block names.
    """

    prestate: bytes
    poststate: bytes | None
    invalid: str | None = None
    incomplete: str | None = None


class WitnessReader(Reader):
    """A witness in the place of the database: nodes, codes and headers under their own hashes."""

    def __init__(self, witness: Witness) -> None:
        self._nodes = nodes_by_hash(witness.state)
        self._codes = {keccak256(code): code for code in witness.codes}
        self._headers = {keccak256(header): header for header in witness.headers}

    def get(self, table: str, key: bytes) -> bytes | None:
        """As of the database; there are no tables but `state` and `headers`."""
        if table == "state":
            return self.state(key)
        value = self._headers.get(key) if table == "headers" else None
        return None if value is None else bytes(value)

    def state(self, hash_: bytes) -> bytes | None:
        """The node or code with this keccak-256, or None. Bytes that are neither are as good as missing."""
        node = self._nodes.get(hash_)
        if node is not None and _is_node(node):
            return bytes(node)
        code = self._codes.get(hash_)
        return None if code is None else bytes(code)


def _is_node(encoded: Octets) -> bool:
    try:
        decode_node(encoded)
    except EncodingError:
        return False
    return True


class AncestorMissingError(EVMMissingData):
    """BLOCKHASH asks for a block whose hash the witness does not prove."""


class WitnessChain(ChainView):
    """The headers of a witness. Where the parent's is not there, stand_in is in its place.

    claimed: hashes by block number, for BLOCKHASH where no header proves one. missing: the number of a block whose hash
    was asked for and is not known.
    """

    def __init__(
        self, reader: Reader, overlay: Overlay, parent_hash: bytes, stand_in: Any, claimed: Mapping[int, bytes]
    ) -> None:
        self._stand_in = stand_in
        self._claimed = claimed
        self.missing: int | None = None
        super().__init__(reader, overlay, parent_hash)

    def get_block_header_by_hash(self, block_hash: bytes) -> Any:
        """py-evm's header object. Raises HeaderNotFound."""
        try:
            return super().get_block_header_by_hash(block_hash)
        except HeaderNotFound:
            if block_hash != self._parent_hash:
                raise
            return self._stand_in

    def previous_hashes(self, number: int) -> Iterator[bytes]:
        """The hashes of the blocks below `number`, the parent's first. Raises AncestorMissingError."""
        hash_: bytes | None = self._parent_hash
        for ancestor in range(number - 1, -1, -1):
            hash_ = hash_ or self._claimed.get(ancestor)
            if hash_ is None:
                self.missing = ancestor
                raise AncestorMissingError(f"block {ancestor}")
            yield hash_
            encoded = self._reader.get("headers", hash_)
            hash_ = None if encoded is None else decode_header(encoded).parent_hash


class WitnessMachine(RecordingMachine):
    """Mixed into the VM: BLOCKHASH is answered out of the witness, or not at all."""

    @property
    def previous_hashes(self) -> Iterator[bytes]:
        """The hashes that BLOCKHASH may ask for."""
        machine: Any = self
        hashes: Iterator[bytes] = machine.chaindb.previous_hashes(machine.get_header().block_number)
        return hashes


PARTS = configuration.Parts(WitnessMachine, RecordingState, instructions=noting)


class WitnessRun(BlockRun):
    """One attempt at one block over its witness alone.

    root: the trusted state root before the block. claimed: see WitnessChain. Of the rules, those on uncles are not
    checked, and without the parent's header none that compares with it.
    """

    def __init__(
        self, config: ChainConfig, fork: str, content: BlockWitness, root: bytes, claimed: Mapping[int, bytes]
    ) -> None:
        encoded = bytes(content.block)
        own: Any = rlp.decode(bytes(block_header_rlp(encoded)), sedes=HeaderSedes)
        self._stand_in = own.copy(block_number=max(0, own.block_number - 1), state_root=root)
        self._claimed = claimed
        self._codes = content.witness.codes
        super().__init__(config, fork, encoded, own.parent_hash, WitnessReader(content.witness))
        self._machine_class = machine_class(config, fork, PARTS)
        if self.parent.state_root != root:
            raise ExecutorError(f"the parent's state root is not the trusted 0x{root.hex()}")

    def derive(self) -> Derivation:
        """The sections. Raises ExecutorError where py-evm fails, and not for want of something in the witness."""
        execution = None
        try:
            execution = self.execute()
        except ExecutorError:
            if not self._lacks():
                raise
        lacks = self._lacks()
        if lacks or execution is None:
            prestate, _ = self._make_sections(None)
            return Derivation(prestate or b"", None, incomplete=lacks)
        return Derivation(execution.prestate or b"", execution.poststate, invalid=execution.invalid)

    def _lacks(self) -> str | None:
        missing, ancestor = self._overlay.missing, self._witness_chain.missing
        if missing:
            return f"node or code 0x{missing[0].hex()}"
        return None if ancestor is None else f"the hash of block {ancestor}"

    def _open_chain(self, parent_hash: bytes) -> WitnessChain:
        self._witness_chain = WitnessChain(self._reader, self._overlay, parent_hash, self._stand_in, self._claimed)
        return self._witness_chain

    def _checks(self, block: Any) -> Iterator[Check]:
        if self.parent is not self._stand_in:
            yield "", partial(check_header, self._machine_class, block.header, self.parent)
        yield "blob_gas_used", partial(check_blob_gas, self._machine_class, block)
        yield "block_size", partial(check_block_size, self._machine_class.parameters.fork, len(self._encoded))

    def _start(self, header: Any) -> Any:
        if self.parent is not self._stand_in:
            return super()._start(header)
        fields = header._meta.field_names
        values = {name: value for name, value in NOTHING_COMPUTED.items() if name in fields}
        return header.copy(state_root=self.parent.state_root, **values)

    def _known_codes(self) -> Iterable[Octets]:
        return self._codes


def derive_sections(
    config: ChainConfig, fork: str, content: BlockWitness, root: bytes, claimed: Mapping[int, bytes]
) -> Derivation:
    """Prestate and poststate of a block, see WitnessRun. Raises UnsupportedForkError, ExecutorError."""
    try:
        return WitnessRun(config, fork, content, root, claimed).derive()
    except UNDECODABLE as error:
        raise ExecutorError(f"the block's header cannot be read: {one_line(error)}") from None
