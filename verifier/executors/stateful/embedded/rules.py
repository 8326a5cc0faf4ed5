"""Rules on header and body, and the comparison of what was computed with what the header says."""

from typing import Any

import rlp
from eth.chains.mainnet.constants import DAO_FORK_MAINNET_EXTRA_DATA
from eth.constants import EMPTY_UNCLE_HASH, MAX_UNCLE_DEPTH, MAX_UNCLES
from eth_utils.exceptions import ValidationError

from machine.blob_gas import check_blob_limit, excess_blob_gas
from witness.header import keccak256

from .ancestors import ChainView
from .breach import Breach, difference
from .database import Reader

DAO_EXTRA_DATA_BLOCKS = 10
# As in the JSON of clients, where py-evm has other names.
FIELD_NAMES = {
    "parent_hash": "parentHash",
    "uncles_hash": "uncles hash",
    "transaction_root": "transactions root",
    "receipt_root": "receipts root",
    "bloom": "logs bloom",
    "block_number": "number",
    "base_fee_per_gas": "base fee",
}


def check_header(machine: Any, header: Any, parent: Any) -> None:
    """Raises ValidationError if the header breaks a rule against its parent. machine: the VM class of its fork."""
    machine.validate_header(header, parent)
    if header.gas_used > header.gas_limit:
        raise ValidationError(f"Gas used {header.gas_used} is above the gas limit {header.gas_limit}")
    dao_block = machine.parameters.dao_block
    if (
        dao_block is not None
        and dao_block <= header.block_number < dao_block + DAO_EXTRA_DATA_BLOCKS
        and machine.parameters.dao_support != (header.extra_data == DAO_FORK_MAINNET_EXTRA_DATA)
    ):
        raise ValidationError(f"Extra data 0x{header.extra_data.hex()} is on the wrong side of the DAO fork")


def check_blob_gas(machine: Any, block: Any) -> None:
    """Raises ValidationError if the block has more blobs than its fork's schedule allows."""
    if machine.parameters.schedule is not None:
        check_blob_limit(machine.parameters.schedule, block.transactions)


def check_excess_blob_gas(machine: Any, header: Any, parent: Any) -> None:
    """Raises ValidationError, in the words of `differences`, if the excess is not what follows from the parent.

    It is compared again with what was computed; but where it is wrong transactions fail first, for want of fees.
    """
    schedule, fork = machine.parameters.schedule, machine.parameters.fork
    if schedule is not None:
        expected = excess_blob_gas(fork, schedule, parent)
        if header.excess_blob_gas != expected:
            raise ValidationError(_words("excess_blob_gas", header.excess_blob_gas, expected))


def check_uncles(machine_of: Any, chain: ChainView, reader: Reader, block: Any) -> None:
    """Raises ValidationError if an uncle breaks a rule (yellow paper, 11.1).

    machine_of: from an uncle's header to the VM class of its fork. Ancestors are read through `chain`, so recorded.
    """
    if not block.uncles:
        return
    if len(block.uncles) > MAX_UNCLES:
        raise ValidationError(f"{len(block.uncles)} uncles, at most {MAX_UNCLES} are allowed")
    ancestors: dict[bytes, Any] = {}
    included: set[bytes] = set()
    hash_ = block.header.parent_hash
    for _ in range(MAX_UNCLE_DEPTH + 1):
        ancestor = chain.get_block_header_by_hash(hash_)
        ancestors[hash_] = ancestor
        if ancestor.uncles_hash != EMPTY_UNCLE_HASH:
            encoded = reader.get("blocks", hash_)
            if encoded is not None:
                included.update(keccak256(rlp.encode(uncle)) for uncle in rlp.decode(encoded)[2])
        if ancestor.block_number == 0:
            break
        hash_ = ancestor.parent_hash
    for uncle in block.uncles:
        if uncle.hash in included:
            raise ValidationError(f"Uncle 0x{uncle.hash.hex()} is included twice")
        included.add(uncle.hash)
        if uncle.hash in ancestors:
            raise ValidationError(f"Uncle 0x{uncle.hash.hex()} is an ancestor")
        parent = ancestors.get(uncle.parent_hash)
        if parent is None or uncle.parent_hash == block.header.parent_hash:
            raise ValidationError(f"Uncle 0x{uncle.hash.hex()} has no ancestor of the block as its parent")
        machine = machine_of(uncle)
        if len(uncle._meta.field_names) != machine.header_length:
            raise ValidationError(f"Uncle 0x{uncle.hash.hex()} has not the fields of a header of its fork")
        machine.validate_uncle(block, uncle, parent)
        machine.validate_header(uncle, parent)
        if uncle.difficulty != machine.compute_difficulty(parent, uncle.timestamp):
            raise ValidationError(f"Uncle 0x{uncle.hash.hex()} has a wrong difficulty")


def differences(computed: Any, stated: Any) -> list[Breach]:
    """One for every field in which the computed header differs from the block's own."""
    return [
        difference(name, _words(name, getattr(stated, name), getattr(computed, name)))
        for name in stated._meta.field_names
        if getattr(computed, name) != getattr(stated, name)
    ]


def _words(name: str, stated: Any, computed: Any) -> str:
    return f"{FIELD_NAMES.get(name, name.replace('_', ' '))}: header {_shown(stated)}, computed {_shown(computed)}"


def _shown(value: Any) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else hex(value) if value >= 1 << 64 else str(value)
