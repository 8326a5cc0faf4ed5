"""One block executed by py-evm above the database, with the record of what it read."""

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import rlp
from eth.consensus.context import ConsensusContext
from eth.exceptions import PyEVMError
from eth.vm.chain_context import ChainContext
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException

from machine.osaka import check_block_size
from verifier.domain.result import Computed, Receipt
from verifier.errors import ExecutorError
from witness.chain_config import ChainConfig
from witness.header import keccak256
from witness.model import Witness

from .ancestors import ChainView
from .database import Reader
from .machine import machine_class
from .overlay import Overlay
from .rules import check_blob_gas, check_header, check_uncles, differences

BLOOM_LENGTH = 256
STATE_ROOT_LENGTH = 32

# What py-evm raises at a block that breaks a rule. Anything else is a fault of the executor, and no verdict.
BROKEN_RULES = (ValidationError, BadSignature, PyEVMError)
UNDECODABLE = (RLPException, ValueError, TypeError, AttributeError, *BROKEN_RULES)


@dataclass(frozen=True, slots=True)
class Execution:
    """results or invalid, as in ImportOutcome; witness: what was read; written: new trie nodes and codes by hash."""

    witness: Witness
    written: dict[bytes, bytes]
    results: Computed | None = None
    invalid: str | None = None


class BlockRun:
    """One attempt at one block. config, fork: the chain's and the block's; reader: a snapshot with the parent."""

    def __init__(self, config: ChainConfig, fork: str, encoded: bytes, parent_hash: bytes, reader: Reader) -> None:
        self._config = config
        self._encoded = encoded
        self._reader = reader
        self._machine_class = machine_class(config, fork)
        self._overlay = Overlay(reader)
        self._chain = ChainView(reader, self._overlay, parent_hash)
        self.parent = self._chain.get_block_header_by_hash(parent_hash)
        self._machine: Any = None

    def execute(self) -> Execution:
        """Executes the block. Raises DatabaseDamagedError, and ExecutorError where py-evm fails by itself."""
        computed, reason = None, None
        try:
            block = rlp.decode(self._encoded, sedes=self._machine_class.block_class)
        except UNDECODABLE as error:
            return self._finish(None, f"block encoding: {one_line(error)}")
        try:
            computed, reason = self._run(block)
        except ExecutorError:
            raise
        except Exception as error:
            # What is missing may surface as anything; then that is what has to be said.
            self._overlay.require_complete()
            number, name = block.number, type(error).__name__
            raise ExecutorError(f"py-evm failed at block {number} ({name}: {one_line(error)}); not judged") from error
        return self._finish(computed, reason)

    def _run(self, block: Any) -> tuple[Any, str | None]:
        broken: list[str] = []
        for check in (
            partial(check_header, self._machine_class, block.header, self.parent),
            partial(check_uncles, self._machine_of_uncle, self._chain, self._reader, block),
            partial(check_blob_gas, self._machine_class, block),
            partial(check_block_size, self._machine_class.parameters.fork, len(self._encoded)),
        ):
            try:
                check()
            except BROKEN_RULES as error:
                broken.append(one_line(error))
        if block.header.gas_limit > 2 * self.parent.gas_limit:
            # A header that lets transactions run without bounds is not worth their time. London doubles the limit.
            return None, broken[0]
        # Executed although a rule is broken already: other clients may look further before they find it, or not find
        # it at all, and a dispute needs a witness that lets them.
        computed = None
        try:
            computed = self.compute(block)
        except BROKEN_RULES as error:
            broken.append(self._where() + one_line(error))
            self._record_transaction()
        if computed is not None:
            broken += self._machine.broken
            broken += differences(computed.header, block.header)[: 1 if broken else None]
        if not broken:
            return computed, None
        return computed, broken[0] if len(broken) == 1 else "; ".join(broken)

    def compute(self, block: Any) -> Any:
        """py-evm's block with every field computed that follows from the body. Raises what py-evm raises."""
        header, chain = block.header, self._chain
        start = self._machine_class.create_header_from_parent(
            self.parent, timestamp=header.timestamp, gas_limit=header.gas_limit
        )
        self._machine = self._machine_class(
            header=start,
            chaindb=chain,
            chain_context=ChainContext(self._config.chain_id),
            consensus_context=ConsensusContext(chain.db),
        )
        with warnings.catch_warnings():
            # py-evm warns of every SELFDESTRUCT; where warnings are errors that would end the execution.
            warnings.simplefilter("ignore", DeprecationWarning)
            computed = self._machine.import_block(block).block
        self._machine.state._account_db.record_remainder(self.parent.state_root)
        return computed

    def _machine_of_uncle(self, uncle: Any) -> Any:
        fork = self._config.fork(uncle.block_number, uncle.timestamp, paris=False)
        return machine_class(self._config, fork)

    def _where(self) -> str:
        if self._machine is None or self._machine.transaction_under_way is None:
            return ""
        return f"transaction {len(self._machine.receipts)}: "

    def _record_transaction(self) -> None:
        """Records the accounts that any client looks at before it refuses the transaction that broke the block."""
        transaction = self._machine and self._machine.transaction_under_way
        if not transaction:
            return
        state = self._machine.state
        try:
            for address in (transaction.sender, transaction.to, state.coinbase):
                if address:
                    state.get_code(address)
        except BROKEN_RULES:
            return  # no sender can be recovered

    def _finish(self, computed: Any, reason: str | None) -> Execution:
        self._overlay.require_complete()
        witness = Witness(
            state=sorted(self._overlay.nodes.values()),
            codes=sorted(self._overlay.codes.values()),
            headers=self._chain.headers(),
        )
        if reason is not None:
            return Execution(witness, {}, invalid=reason)
        return Execution(witness, self._overlay.written, results=_results(computed.header, self._machine.receipts))


def one_line(error: BaseException) -> str:
    """The error's message without line breaks, or its class's name if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def _results(header: Any, receipts: Any) -> Computed:
    def optional(name: str) -> Any:
        return getattr(header, name) if name in header._meta.field_names else None

    return Computed(
        state_root=header.state_root,
        receipts_root=header.receipt_root,
        logs_bloom=header.bloom.to_bytes(BLOOM_LENGTH, "big"),
        gas_used=header.gas_used,
        transactions_root=header.transaction_root,
        blob_gas_used=optional("blob_gas_used"),
        withdrawals_root=optional("withdrawals_root"),
        requests_hash=optional("requests_hash"),
        receipts=tuple(_receipt(receipt) for receipt in receipts),
    )


def _receipt(receipt: Any) -> Receipt:
    outcome = bytes(receipt.state_root)
    before_byzantium = len(outcome) == STATE_ROOT_LENGTH
    return Receipt(
        succeeded=None if before_byzantium else outcome == b"\x01",
        post_state=outcome if before_byzantium else None,
        cumulative_gas_used=receipt.gas_used,
        logs_hash=keccak256(rlp.encode(list(receipt.logs))),
    )
