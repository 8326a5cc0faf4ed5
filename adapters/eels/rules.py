"""The rules that the specification checks before execution, and what an exception of it means.

The specification raises InvalidBlock without a word in most places: the rule is the condition that stands in its
source. So the line that raised is looked up there, and the condition's text is both the rule's key and the detail.
"""

import ast
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Any

from ethereum.exceptions import EthereumException, GasUsedExceedsLimitError, InvalidBlock, InvalidTransaction
from ethereum_rlp import rlp
from ethereum_rlp.exceptions import RLPException
from ethereum_types.numeric import Uint

from verifier.rpc.v1 import executor_pb2 as pb
from witness.errors import EncodingError
from witness.model import Octets
from witness.rlp_item import list_items

from .fork_modules import BLOB_FORKS, ForkModules, header_class

# A part of the condition in the source, and the rule; the first that fits counts.
CONDITIONS: tuple[tuple[str, pb.Rule], ...] = (
    ("check_gas_limit", pb.RULE_GAS_LIMIT),
    ("excess_blob_gas", pb.RULE_EXCESS_BLOB_GAS),
    ("gas_used", pb.RULE_GAS_USED),
    ("base_fee_per_gas", pb.RULE_BASE_FEE),
    ("timestamp", pb.RULE_TIMESTAMP),
    ("extra_data", pb.RULE_EXTRA_DATA),
    ("difficulty", pb.RULE_DIFFICULTY),
    ("nonce", pb.RULE_NONCE),
    ("ommers_hash", pb.RULE_UNCLES_HASH),
    ("number", pb.RULE_NUMBER),
)
TRANSACTION_RULES = {
    "GasUsedExceedsLimitError": pb.RULE_BLOCK_GAS,
    "BlobGasLimitExceededError": pb.RULE_BLOB_GAS_USED,
    "BlobCountExceededError": pb.RULE_TRANSACTION,
}
PARENT_HASH = "parent_hash"
OMMERS = 2  # the place of the uncles in a block
MAX_OMMERS, MAX_OMMER_DEPTH = 2, 6  # yellow paper 11.1; the specification's `validate_ommers`
# What cannot be told without the parent's header, from Paris on.
PARENT_RULES = (pb.RULE_NUMBER, pb.RULE_TIMESTAMP, pb.RULE_GAS_LIMIT, pb.RULE_BASE_FEE)


class BrokenRuleError(Exception):
    """The block breaks `rule`; str(error) tells the values."""

    def __init__(self, rule: pb.Rule, detail: object) -> None:
        super().__init__(str(detail))
        self.rule = rule


def decode_block(modules: ForkModules, block: Octets) -> Any:
    """The block in the fork's classes. Raises BrokenRuleError."""
    expected = len(modules.blocks.Header.__dataclass_fields__)
    try:
        fields = len(list_items(block[list_items(block)[0][1] : list_items(block)[0][3]]))
    except (EncodingError, IndexError) as error:
        raise BrokenRuleError(pb.RULE_BLOCK_ENCODING, error) from None
    if fields != expected:
        raise BrokenRuleError(pb.RULE_HEADER_FIELDS, f"the header has {fields} fields, {expected} in {modules.name}")
    try:
        raw = rlp.decode(bytes(block))
        if not isinstance(raw, list | tuple) or len(raw) != len(modules.blocks.Block.__dataclass_fields__):
            raise BrokenRuleError(pb.RULE_BLOCK_ENCODING, f"the block has {len(raw)} parts")
        raw = list(raw)
        # The specification decodes uncles as headers of the block's fork; London's first blocks have older ones.
        ommers, raw[OMMERS] = raw[OMMERS], []
        decoded = rlp.deserialize_to(modules.blocks.Block, raw)
        if not isinstance(ommers, list | tuple):
            raise BrokenRuleError(pb.RULE_BLOCK_ENCODING, "the uncles are no list")
        return replace(
            decoded, ommers=tuple(rlp.deserialize_to(header_class(modules, len(ommer)), ommer) for ommer in ommers)
        )
    except (RLPException, RecursionError, IndexError, KeyError) as error:
        raise BrokenRuleError(pb.RULE_BLOCK_ENCODING, f"{type(error).__name__}: {error}") from None


def decode_transactions(modules: ForkModules, block: Any) -> tuple[Any, ...]:
    """The block's transactions in the fork's classes. Raises BrokenRuleError."""
    decode = getattr(modules.fork, "decode_transaction", None)
    if decode is None:
        transactions: tuple[Any, ...] = block.transactions
        return transactions
    decoded = []
    for index, transaction in enumerate(block.transactions):
        try:
            decoded.append(decode(transaction))
        except (RLPException, EthereumException, RecursionError, IndexError) as error:
            detail = f"transaction {index}: {type(error).__name__}: {error}"
            raise BrokenRuleError(pb.RULE_BLOCK_ENCODING, detail) from None
    return tuple(decoded)


def decode_parent(modules: ForkModules, encoded: Octets) -> Any:
    """The parent's header, of whichever fork it is. Raises EncodingError."""
    try:
        return rlp.decode_to(header_class(modules, len(list_items(encoded))), bytes(encoded))
    except (RLPException, KeyError) as error:
        raise EncodingError(f"the parent's header: {error}") from None


def body_roots(modules: ForkModules, block: Any) -> tuple[bytes, bytes | None]:
    """Transactions root and withdrawals root (None before Shanghai), computed by the specification's trie."""
    roots: list[bytes | None] = []
    for name in ("transactions", "withdrawals"):
        items = getattr(block, name, None)
        if items is None:
            roots.append(None)
            continue
        trie = modules.trie.Trie(secured=False, default=None)
        for index, item in enumerate(items):
            encoded = item if name == "transactions" else rlp.encode(item)
            modules.trie.trie_set(trie, rlp.encode(Uint(index)), encoded)
        roots.append(bytes(modules.trie.root(trie)))
    transactions_root, withdrawals_root = roots
    assert transactions_root is not None
    return transactions_root, withdrawals_root


def check_block(
    modules: ForkModules, block: Any, length: int, parent: Any | None, roots: tuple[bytes, bytes | None]
) -> None:
    """Header and body rules. parent None: those that need it are left out (from Paris on only).

    length: of the block's RLP, in bytes. Raises BrokenRuleError.
    """
    header, fork = block.header, modules.fork
    limit = getattr(fork, "MAX_RLP_BLOCK_SIZE", None)
    if limit is not None and length > limit:
        raise BrokenRuleError(pb.RULE_BLOCK_SIZE, f"{length} bytes, at most {limit} are allowed")
    with _without_parent(modules, header) if parent is None else _unchanged():
        chain = SimpleNamespace(blocks=[SimpleNamespace(header=parent or _stand_in_parent(header), ommers=())])
        try:
            fork.validate_header(chain, header)
        except InvalidBlock as error:
            _, condition = condition_of(error)
            if not (parent is None and PARENT_HASH in condition):
                raise BrokenRuleError(_rule(condition), _detail(condition, header, parent)) from None
    _check_first_of_london(modules, header, parent)
    _check_ommers(fork, block)
    _equal(pb.RULE_TRANSACTIONS_ROOT, "transactions_root", header.transactions_root, roots[0])
    if roots[1] is not None:
        _equal(pb.RULE_WITHDRAWALS_ROOT, "withdrawals_root", header.withdrawals_root, roots[1])


def unchecked_without_parent(modules: ForkModules) -> list[pb.Rule]:
    """The rules that are left out where the parent's header is absent."""
    return [*PARENT_RULES, pb.RULE_EXCESS_BLOB_GAS] if modules.name in BLOB_FORKS else list(PARENT_RULES)


def classify(error: Exception, transaction: int) -> BrokenRuleError | None:
    """The broken rule that an exception of the execution stands for; None if it stands for none.

    transaction: index of the one that was being executed, if one was.
    """
    if isinstance(error, InvalidTransaction | GasUsedExceedsLimitError):
        rule = TRANSACTION_RULES.get(type(error).__name__, pb.RULE_TRANSACTION)
        return BrokenRuleError(rule, f"transaction {transaction}: {type(error).__name__}: {error}")
    if isinstance(error, InvalidBlock):
        function, condition = condition_of(error)
        detail = str(error) or condition
        if function == "process_checked_system_transaction":
            return BrokenRuleError(pb.RULE_SYSTEM_CONTRACT, detail)
        if function == "extract_deposit_data":
            return BrokenRuleError(pb.RULE_DEPOSIT_REQUESTS, detail)
        return BrokenRuleError(pb.RULE_TRANSACTION, f"transaction {transaction}: {detail}")
    return None


def _check_first_of_london(modules: ForkModules, header: Any, parent: Any) -> None:
    """EIP-1559: at the fork the bounds of the gas limit are about twice the parent's; the specification checks none."""
    fork = modules.fork
    if modules.name == "london" and header.number == fork.FORK_CRITERIA.block_number:
        limit = parent.gas_limit * fork.ELASTICITY_MULTIPLIER
        if not fork.check_gas_limit(header.gas_limit, limit):
            raise BrokenRuleError(pb.RULE_GAS_LIMIT, f"gas_limit is {header.gas_limit}, twice the parent's is {limit}")


def _check_ommers(fork: ModuleType, block: Any) -> None:
    header, ommers = block.header, block.ommers
    if header.difficulty == 0 or not ommers:
        if ommers:  # from Paris on: the header's hash, checked already, is that of the empty list
            raise BrokenRuleError(pb.RULE_UNCLES, f"{len(ommers)} uncles, none is allowed")
        if fork.keccak256(rlp.encode(ommers)) != header.ommers_hash:
            raise BrokenRuleError(pb.RULE_UNCLES_HASH, f"ommers_hash is 0x{header.ommers_hash.hex()}, without uncles")
        return
    _equal(pb.RULE_UNCLES_HASH, "ommers_hash", header.ommers_hash, fork.keccak256(rlp.encode(ommers)))
    if len(ommers) > MAX_OMMERS:
        raise BrokenRuleError(pb.RULE_UNCLES, f"{len(ommers)} uncles, at most {MAX_OMMERS} are allowed")
    for ommer in ommers:
        if not 1 <= int(header.number) - int(ommer.number) <= MAX_OMMER_DEPTH:
            raise BrokenRuleError(pb.RULE_UNCLES, f"uncle of block {ommer.number} in block {header.number}")


def _equal(rule: pb.Rule, name: str, stated: bytes, computed: bytes) -> None:
    if stated != computed:
        raise BrokenRuleError(rule, f"{name} is 0x{stated.hex()}, the body has 0x{computed.hex()}")


def _stand_in_parent(header: Any) -> Any:
    """A parent after which the rules that need it hold: one block and second earlier, as full as its gas target."""
    return replace(
        header,
        number=type(header.number)(max(0, int(header.number) - 1)),
        timestamp=type(header.timestamp)(max(0, int(header.timestamp) - 1)),
        gas_used=Uint(int(header.gas_limit) // 2),
    )


@contextmanager
def _without_parent(modules: ForkModules, header: Any) -> Iterator[None]:
    """Makes the one rule that a stand-in parent cannot be made to keep, the excess blob gas, hold."""
    if modules.name not in BLOB_FORKS:
        yield
        return
    original = modules.fork.calculate_excess_blob_gas
    modules.fork.calculate_excess_blob_gas = lambda _: header.excess_blob_gas  # type: ignore[attr-defined]
    try:
        yield
    finally:
        modules.fork.calculate_excess_blob_gas = original  # type: ignore[attr-defined]


@contextmanager
def _unchanged() -> Iterator[None]:
    yield


def _rule(condition: str) -> pb.Rule:
    for part, rule in CONDITIONS:
        if part in condition:
            return rule
    return pb.RULE_OTHER


def _detail(condition: str, header: Any, parent: Any) -> str:
    """The condition, with the values of the header's fields in it."""
    values = []
    for prefix, source in (("header.", header), ("parent_header.", parent)):
        for name in source.__dataclass_fields__ if source is not None else ():
            if f"{prefix}{name}" in condition.replace("parent_header.", "parent." if prefix == "header." else prefix):
                value = getattr(source, name)
                values.append(f"{prefix}{name} = {f'0x{value.hex()}' if isinstance(value, bytes) else value}")
    return f"invalid where {condition}" + (f": {', '.join(values)}" if values else "")


def condition_of(error: BaseException) -> tuple[str, str]:
    """The function that raised, and the condition in its source under which it does; empty where there is none."""
    trace: TracebackType | None = error.__traceback__
    function, condition = "", ""
    while trace is not None:
        code, line = trace.tb_frame.f_code, trace.tb_lineno
        module = inspect.getmodule(code)
        if module is not None and module.__name__.startswith("ethereum."):
            function, condition = code.co_name, _conditions(module).get(line, "")
        trace = trace.tb_next
    return function, condition


@cache
def _conditions(module: ModuleType) -> dict[int, str]:
    """The text of the condition before each `raise` directly under an `if`, by the raise's line."""
    conditions = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.If):
            for statement in node.body:
                if isinstance(statement, ast.Raise):
                    text = " ".join(ast.unparse(node.test).split())
                    for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1):
                        conditions[line] = text
    return conditions
