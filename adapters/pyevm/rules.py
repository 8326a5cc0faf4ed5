"""The rules that py-evm checks before execution, each told apart.

Which rule py-evm's ValidationError is about stands only in its words (`machine.rule_words`). Source of the rules:
py-evm's `VM.validate_header`, `VM.validate_block`, `compute_difficulty` and `Chain.import_block`, which compares every
field of the header. Blob gas and block size are our own (`machine`).
"""

from typing import Any

import rlp
from eth.abc import BlockAPI, BlockHeaderAPI
from eth.chains.mainnet import validate_header_is_on_intended_dao_fork
from eth.constants import MAX_UNCLE_DEPTH, MAX_UNCLES
from eth.db.trie import make_trie_root_and_nodes
from eth.vm.header import HeaderSedes
from eth_hash.auto import keccak
from eth_typing import BlockNumber
from eth_utils import ValidationError

from machine.blob_gas import blob_gas, check_blob_limit, excess_blob_gas
from machine.completion import Parameters
from machine.osaka import check_block_size
from machine.rule_words import rule_of
from verifier.rpc.v1 import executor_pb2 as pb
from witness.model import Octets

from .machine import BrokenRuleError

# What cannot be told without the parent's header.
PARENT_RULES = (pb.RULE_NUMBER, pb.RULE_TIMESTAMP, pb.RULE_GAS_LIMIT)
DECODING_ERRORS = (
    rlp.exceptions.RLPException,
    ValidationError,
    ValueError,  # py-evm's header decoder, for a number of fields that no fork has
    TypeError,  # a list where py-evm's typed transactions expect bytes
    RecursionError,  # lists nested thousands deep
)


def decode_block(machine: Any, block: Octets) -> BlockAPI:
    """The block in py-evm's classes. Raises BrokenRuleError."""
    encoded = bytes(block)
    try:
        check_block_size(machine.parameters.fork, len(encoded))
    except ValidationError as error:
        raise BrokenRuleError(pb.RULE_BLOCK_SIZE, error) from None
    try:
        raw = rlp.decode(encoded)
        fields = len(raw[0])
        expected = len(dict(machine.block_class._meta.fields)["header"]._meta.fields)
    except DECODING_ERRORS as error:
        raise BrokenRuleError(pb.RULE_BLOCK_ENCODING, _words(error)) from None
    if fields != expected:
        words = f"the header has {fields} fields, {expected} in {machine.parameters.fork}"
        raise BrokenRuleError(pb.RULE_HEADER_FIELDS, words)
    try:
        decoded: BlockAPI = rlp.decode(encoded, sedes=machine.block_class)
    except DECODING_ERRORS as error:
        raise BrokenRuleError(pb.RULE_BLOCK_ENCODING, _words(error)) from None
    except Exception as error:
        # py-evm's transaction decoders raise what they happen to meet; nothing but the block was looked at.
        if type(error).__module__.split(".")[0] not in ("eth", "eth_utils", "rlp", "eth_keys"):
            raise
        raise BrokenRuleError(pb.RULE_BLOCK_ENCODING, _words(error)) from None
    return decoded


def decode_parent(encoded: Octets) -> BlockHeaderAPI:
    """The parent's header, of whichever fork it is: the parent of a fork's first block is of the fork before."""
    header: BlockHeaderAPI = rlp.decode(bytes(encoded), sedes=HeaderSedes)
    return header


def stand_in_parent(header: Any) -> BlockHeaderAPI:
    """A parent after which py-evm's rules that need the parent hold, for a witness without the parent's header.

    So py-evm's own checks run as always; the rules in `unchecked_without_parent` then say nothing, and are reported
    as unchecked. Execution reads nothing of the parent.
    """
    changes: dict[str, Any] = {
        "block_number": max(0, header.block_number - 1),
        "timestamp": max(0, header.timestamp - 1),
        "gas_used": header.gas_limit // 2,  # exactly the target, so that the base fee stays
    }
    parent: BlockHeaderAPI = header.copy(**changes)
    return parent


def unchecked_without_parent(header: Any, chosen: Parameters) -> list[pb.Rule]:
    """The rules that a stand-in parent leaves unchecked for this block."""
    rules = list(PARENT_RULES)
    if hasattr(header, "base_fee_per_gas"):
        rules.append(pb.RULE_BASE_FEE)
    if header.difficulty:
        rules.append(pb.RULE_DIFFICULTY)
    if chosen.schedule is not None:
        rules.append(pb.RULE_EXCESS_BLOB_GAS)
    return rules


def check_block(machine: Any, block: Any, parent: BlockHeaderAPI, chosen: Parameters, *, with_parent: bool) -> None:
    """Header and body rules, in py-evm's order. machine: an instance, whose chaindb knows `parent`.

    Raises BrokenRuleError.
    """
    header = block.header
    try:
        type(machine).validate_header(header, parent)
        if header.difficulty and chosen.dao_block is not None:
            validate_header_is_on_intended_dao_fork(chosen.dao_support, BlockNumber(chosen.dao_block), header)
    except ValidationError as error:
        raise BrokenRuleError(_rule(error), error) from None
    if header.difficulty and with_parent:
        difficulty = machine.compute_difficulty(parent, header.timestamp)
        _equal(pb.RULE_DIFFICULTY, "difficulty", header.difficulty, difficulty)
    uncles_hash = keccak(rlp.encode(block.uncles))
    _equal(pb.RULE_UNCLES_HASH, "uncles_hash", header.uncles_hash.hex(), uncles_hash.hex())
    if len(block.uncles) > MAX_UNCLES:
        raise BrokenRuleError(pb.RULE_UNCLES, f"{len(block.uncles)} uncles, at most {MAX_UNCLES} are allowed")
    for uncle in block.uncles:
        if not 1 <= header.block_number - uncle.block_number <= MAX_UNCLE_DEPTH:
            raise BrokenRuleError(pb.RULE_UNCLES, f"uncle of block {uncle.block_number} in {header.block_number}")
    root, _ = make_trie_root_and_nodes(block.transactions)
    _equal(pb.RULE_TRANSACTIONS_ROOT, "transactions_root", header.transaction_root.hex(), root.hex())
    if hasattr(block, "withdrawals"):
        root, _ = make_trie_root_and_nodes(block.withdrawals)
        _equal(pb.RULE_WITHDRAWALS_ROOT, "withdrawals_root", header.withdrawals_root.hex(), root.hex())
    if chosen.schedule is not None:
        _check_blob_gas(block, parent, chosen, with_parent=with_parent)


def _check_blob_gas(block: Any, parent: BlockHeaderAPI, chosen: Parameters, *, with_parent: bool) -> None:
    header = block.header
    assert chosen.schedule is not None, "asked from Cancun on"
    if with_parent:
        expected = excess_blob_gas(chosen.fork, chosen.schedule, parent)
        _equal(pb.RULE_EXCESS_BLOB_GAS, "excess_blob_gas", header.excess_blob_gas, expected)
    _equal(pb.RULE_BLOB_GAS_USED, "blob_gas_used", header.blob_gas_used, blob_gas(block.transactions))
    try:
        check_blob_limit(chosen.schedule, block.transactions)
    except ValidationError as error:
        raise BrokenRuleError(pb.RULE_BLOB_GAS_USED, error) from None


def _equal(rule: pb.Rule, name: str, stated: object, computed: object) -> None:
    if stated != computed:
        raise BrokenRuleError(rule, f"{name} is {stated}, expected {computed}")


def _rule(error: ValidationError) -> pb.Rule:
    rule: pb.Rule = getattr(pb, f"RULE_{rule_of(str(error)).upper()}")
    return rule


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
