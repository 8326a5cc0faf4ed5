"""One block executed by py-evm above the database, with the record of what it read."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
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

from machine.configuration import Parts
from machine.osaka import check_block_size
from machine.rule_words import rule_of
from verifier.domain.result import Computed, Receipt
from verifier.errors import ExecutorError
from witness.chain_config import ChainConfig
from witness.header import block_header_rlp, keccak256
from witness.model import Octets, Witness
from witness.prestate import encode_poststate, encode_prestate
from witness.proven_state import ProvenState
from witness.rlp_item import list_items

from .ancestors import ChainView
from .breach import BlockGasError, Breach, summary
from .database import Reader, StateNodes
from .machine import PARTS, machine_class
from .overlay import Overlay
from .rules import check_blob_gas, check_excess_blob_gas, check_header, check_uncles, differences
from .sections import Layers, poststate_of, prestate_of
from .touched import add_delegates, add_named
from .whole_state import read_whole

BLOOM_LENGTH = 256
STATE_ROOT_LENGTH = 32

# What py-evm raises at a block that breaks a rule. Anything else is a fault of the executor, and no verdict.
BROKEN_RULES = (ValidationError, BadSignature, PyEVMError)
UNDECODABLE = (RLPException, ValueError, TypeError, AttributeError, *BROKEN_RULES)

Check = tuple[str, Callable[[], None]]
"""A rule ("": its words tell which), and what raises one of BROKEN_RULES where it is broken."""


@dataclass(frozen=True, slots=True)
class Execution:
    """results or invalid, as in ImportOutcome; witness: what was read; written: new trie nodes and codes by hash.

    prestate, poststate: the sections of the witness file, None where they were not asked for; an invalid block has no
    poststate. requests: of a valid block, as the Engine API lists them (EIP-7685). rules, fields: see ImportOutcome.
    """

    witness: Witness
    written: dict[bytes, bytes]
    results: Computed | None = None
    invalid: str | None = None
    rules: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    prestate: bytes | None = None
    poststate: bytes | None = None
    requests: tuple[bytes, ...] = ()


class BlockRun:
    """One attempt at one block. config, fork: the chain's and the block's; reader: a snapshot with the parent.

    sections: whether to make prestate and poststate too. whole_state: up to how many bytes the witness has all of the
    state before the block, and not just what was read. parts: what the machine is made of, beside py-evm.
    """

    def __init__(
        self,
        config: ChainConfig,
        fork: str,
        encoded: bytes,
        parent_hash: bytes,
        reader: Reader,
        *,
        sections: bool = True,
        whole_state: int = 0,
        parts: Parts = PARTS,
    ) -> None:
        self._config = config
        self._whole_state = whole_state
        self._encoded = encoded
        self._reader = reader
        self._parts = parts
        self._machine_class = machine_class(config, fork, parts)
        self._overlay = Overlay(reader)
        self._chain = self._open_chain(parent_hash)
        self.parent = self._chain.get_block_header_by_hash(parent_hash)
        self._machine: Any = None
        self._sections = sections

    def execute(self) -> Execution:
        """Executes the block. Raises DatabaseDamagedError, and ExecutorError where py-evm fails by itself."""
        try:
            block = rlp.decode(self._encoded, sedes=self._machine_class.block_class)
        except UNDECODABLE as error:
            return self._finish(None, [self._undecodable(error)])
        if self._sections:
            computation = self._machine_class._state_class.computation_class
            parameters = self._machine_class.parameters
            add_named(self._overlay.touched, block, parameters, computation.get_precompiles())
        try:
            computed, broken = self._run(block)
        except ExecutorError:
            raise
        except Exception as error:
            # What is missing may surface as anything; then that is what has to be said.
            self._overlay.require_complete()
            number, name = block.number, type(error).__name__
            raise ExecutorError(f"py-evm failed at block {number} ({name}: {one_line(error)}); not judged") from error
        return self._finish(computed, broken)

    def _run(self, block: Any) -> tuple[Any, list[Breach]]:
        broken: list[Breach] = []
        for rule, check in self._checks(block):
            try:
                check()
            except BROKEN_RULES as error:
                words = one_line(error)
                broken.append(Breach(words, rule or rule_of(words)))
        if block.header.gas_limit > 2 * self.parent.gas_limit:
            # A header that lets transactions run without bounds is not worth their time. London doubles the limit.
            return None, broken[:1]
        # Executed although a rule is broken already: other clients may look further before they find it, or not find
        # it at all, and a dispute needs a witness that lets them.
        computed = None
        try:
            computed = self.compute(block)
        except BROKEN_RULES as error:
            broken.append(self._breach_of(error))
            self._record_transaction()
        if computed is not None:
            broken += self._machine.broken
            known = {breach.words for breach in broken}
            new = [breach for breach in differences(computed.header, block.header) if breach.words not in known]
            broken += new[: 1 if broken else None]
        return computed, broken

    @property
    def requests(self) -> tuple[bytes, ...]:
        """The execution requests of what was computed, type byte first, empty ones left out (EIP-7685)."""
        return () if self._machine is None else self._machine.requests

    @property
    def machine(self) -> Any:
        """The machine as the execution left it, None where there was none."""
        return self._machine

    @property
    def transaction_under_way(self) -> int | None:
        """The index of the transaction at which the execution ended before its time; None where it was not in one."""
        if self._machine is None or self._machine.transaction_under_way is None:
            return None
        return len(self._machine.receipts)

    def compute(self, block: Any) -> Any:
        """py-evm's block with every field computed that follows from the body. Raises what py-evm raises."""
        chain = self._chain
        self._machine = self._machine_class(
            header=self._start(block.header),
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

    def _open_chain(self, parent_hash: bytes) -> ChainView:
        return ChainView(self._reader, self._overlay, parent_hash)

    def _checks(self, block: Any) -> Iterator[Check]:
        """The rules to be checked before the block is executed."""
        yield "", partial(check_header, self._machine_class, block.header, self.parent)
        yield "uncles", partial(check_uncles, self._machine_of_uncle, self._chain, self._reader, block)
        yield "excess_blob_gas", partial(check_excess_blob_gas, self._machine_class, block.header, self.parent)
        yield "blob_gas_used", partial(check_blob_gas, self._machine_class, block)
        yield "block_size", partial(check_block_size, self._machine_class.parameters.fork, len(self._encoded))

    def _start(self, header: Any) -> Any:
        """The header that execution starts with, of the block with this one."""
        return self._machine_class.create_header_from_parent(
            self.parent, timestamp=header.timestamp, gas_limit=header.gas_limit
        )

    def _known_codes(self) -> Iterable[Octets]:
        """The codes among which delegations are looked for."""
        return self._overlay.codes.values()

    def _machine_of_uncle(self, uncle: Any) -> Any:
        fork = self._config.fork(uncle.block_number, uncle.timestamp, paris=False)
        return machine_class(self._config, fork, self._parts)

    def _undecodable(self, error: Exception) -> Breach:
        """What it means that the block cannot be decoded as one of its fork."""
        fields = len(list_items(block_header_rlp(self._encoded)))
        rule = "block_encoding" if fields == self._machine_class.header_length else "header_fields"
        return Breach(f"block encoding: {one_line(error)}", rule)

    def _breach_of(self, error: Exception) -> Breach:
        """What the execution ended with."""
        index = self.transaction_under_way
        if index is None:
            return Breach(one_line(error), rule_of(one_line(error)))
        rule = "block_gas" if isinstance(error, BlockGasError) else "transaction"
        return Breach(f"transaction {index}: {one_line(error)}", rule)

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

    def _finish(self, computed: Any, broken: Sequence[Breach]) -> Execution:
        if self._whole_state:
            read_whole(self._overlay, self.parent.state_root, self._whole_state)
        self._overlay.require_complete()
        witness = Witness(
            state=sorted(self._overlay.nodes.values()),
            codes=sorted(self._overlay.codes.values()),
            headers=self._chain.headers(),
        )
        prestate, poststate = self._make_sections(None if broken else computed.header.state_root)
        if broken:
            rules, fields = summary(broken)
            words = "; ".join(breach.words for breach in broken)
            return Execution(witness, {}, invalid=words, rules=rules, fields=fields, prestate=prestate)
        results = _results(computed.header, self._machine.receipts)
        return Execution(
            witness,
            self._overlay.written,
            results,
            prestate=prestate,
            poststate=poststate,
            requests=self.requests,
        )

    def _make_sections(self, root: bytes | None) -> tuple[bytes | None, bytes | None]:
        """Prestate and poststate. root: of the state after the block; None: it has none."""
        if not self._sections:
            return None, None
        touched = self._overlay.touched
        add_delegates(touched, self._known_codes())
        beneath = Layers(self._overlay.nodes, StateNodes(self._reader))
        before = prestate_of(touched, ProvenState(self.parent.state_root, beneath))
        if root is None:
            return encode_prestate(before), None
        after = poststate_of(touched, before, ProvenState(root, Layers(self._overlay.written, beneath)))
        return encode_prestate(before), encode_poststate(after)


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
