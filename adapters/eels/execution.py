"""One block through the specification: decode, check, execute, and report what was computed."""

import time
from contextlib import nullcontext
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

from ethereum.crypto.hash import keccak256
from ethereum_rlp import rlp
from ethereum_types.numeric import U64

from verifier.rpc.host.post_state import post_accounts
from verifier.rpc.host.responses import broken_rule, insufficient, missing_header, missing_of, refused
from verifier.rpc.host.task import BlockTask, has_status
from verifier.rpc.host.tracer import Tracer
from verifier.rpc.v1 import executor_pb2 as pb
from witness.chain_config import FORKS
from witness.errors import ChainConfigError, EncodingError, WitnessInsufficientError
from witness.trie import nodes_by_hash

from .account import codes_by_hash
from .fork_modules import REQUEST_FORKS, ForkModules, load_fork
from .overlay import OverlayState
from .prestate_overlay import PrestateOverlay
from .rules import (
    BrokenRuleError,
    body_roots,
    check_block,
    classify,
    decode_block,
    decode_parent,
    decode_transactions,
    unchecked_without_parent,
)
from .steps import reporting
from .trie_overlay import TrieOverlay

FIRST_OF_STAKE = FORKS.index("paris")


class AncestorMissingError(Exception):
    """BLOCKHASH asks for a block whose hash the witness does not prove."""


class AncestorHashes:
    """What the specification indexes from the end, as its list of the last 256 block hashes."""

    def __init__(self, number: int, known: dict[int, bytes]) -> None:
        self._number = number
        self._known = known
        self.missing: list[int] = []

    def __getitem__(self, index: int) -> bytes:
        number = self._number + int(index)
        hash_ = self._known.get(number)
        if hash_ is None:
            self.missing.append(number)
            raise AncestorMissingError(f"block {number}")
        return hash_


class BlockRun:
    """One block on its way through the specification."""

    def __init__(self, task: BlockTask) -> None:
        self.task = task
        self.modules: ForkModules = load_fork(task.fork)
        self.modules.configure(task.config)
        self.clock = [time.monotonic_ns()]
        self.state = self._open_state()
        self.hashes = AncestorHashes(task.header.number, task.ancestor_hashes)

    def _open_state(self) -> OverlayState:
        task, codes, account_class = self.task, codes_by_hash(self.task.codes), self.modules.fork_types.Account
        if task.prestate is not None:
            return PrestateOverlay(task.prestate, codes, account_class)
        return TrieOverlay(task.pre_state_root, nodes_by_hash(task.nodes), codes, account_class)

    def post_accounts(self) -> list[pb.PostAccount]:
        """What the block changed, in prestate mode. Raises WitnessInsufficientError, reported."""
        if self.task.prestate is None or not isinstance(self.state, PrestateOverlay):
            return []
        try:
            return post_accounts(self.task.prestate, self.state.touched())
        except WitnessInsufficientError as error:
            raise self.state.report(error) from None

    def missing(self) -> list[pb.Missing]:
        """Everything that was asked for and is not there."""
        ancestors = [missing_header(number=number, where="BLOCKHASH") for number in self.hashes.missing]
        return [missing_of(error) for error in self.state.misses] + ancestors

    def apply(self, block: Any, transactions: tuple[Any, ...]) -> Any:
        """The specification's block output."""
        modules, header = self.modules, block.header
        if self.task.fork == "dao" and header.number == modules.fork.FORK_CRITERIA.block_number:
            modules.fork.apply_fork(SimpleNamespace(state=self.state))
        values = {
            "chain_id": U64(self.task.config.chain_id),
            "state": self.state,
            "block_gas_limit": header.gas_limit,
            "block_hashes": self.hashes,
            "coinbase": header.coinbase,
            "number": header.number,
            "time": header.timestamp,
        }
        wanted = [field.name for field in fields(modules.vm.BlockEnvironment)]
        for name in wanted:
            if name not in values:
                values[name] = getattr(header, name)
        environment = modules.vm.BlockEnvironment(**{name: values[name] for name in wanted})
        body = {"withdrawals": block.withdrawals} if hasattr(block, "withdrawals") else {}
        if FORKS.index(self.task.fork) < FIRST_OF_STAKE:
            body["ommers"] = block.ommers
        return modules.fork.apply_body(block_env=environment, transactions=transactions, **body)


def execute(task: BlockTask, tracer: Tracer | None = None) -> pb.ExecuteResponse:
    """The whole answer about one block, but for the time that the host needed. Raises what cannot be explained.

    tracer: is told of the instructions, where there is one.
    """
    if task.parent_rlp is None and FORKS.index(task.fork) < FIRST_OF_STAKE:
        # The difficulty, and with it half of the header's rules, needs the parent.
        number = max(0, task.header.number - 1)
        return insufficient([missing_header(task.header.parent_hash, number, "the parent's header")])
    try:
        run = BlockRun(task)
    except ChainConfigError as error:
        return refused(f"chain config: {error}")
    try:
        with reporting(run.modules, tracer) if tracer is not None else nullcontext():
            response = _compute(run)
    except BrokenRuleError as error:
        response = broken_rule(error.rule, error)
    except EncodingError as error:
        response = refused(str(error))
    except Exception as error:
        broken = classify(error, len(run.modules.reports))
        if broken is not None:
            response = broken_rule(broken.rule, broken)
        elif run.missing():
            response = pb.ExecuteResponse()
        else:
            raise
    missing = run.missing()
    # Whatever came of it: an answer that a missing node, code or ancestor has touched is none.
    if missing:
        response = insufficient(missing)
    clock = [*run.clock, time.monotonic_ns()]
    clock += [clock[-1]] * (4 - len(clock))
    for name, start in (("decode_us", 0), ("execute_us", 1), ("root_us", 2)):
        setattr(response.timings, name, (clock[start + 1] - clock[start]) // 1000)
    return response


def measure(task: BlockTask) -> bytes:
    """The state root after the block, without any rule of the adapter; roots and bloom as in a state transition."""
    load_fork(task.fork).jump_destinations.clear()
    run = BlockRun(task)
    block = decode_block(run.modules, task.block)
    output = run.apply(block, block.transactions)
    fork = run.modules.fork
    root = run.state.root()
    fork.root(output.transactions_trie)
    fork.root(output.receipts_trie)
    fork.logs_bloom(output.block_logs)
    if hasattr(output, "withdrawals_trie"):
        fork.root(output.withdrawals_trie)
    return root


def _compute(run: BlockRun) -> pb.ExecuteResponse:
    task, modules = run.task, run.modules
    block = decode_block(modules, task.block)
    transactions = decode_transactions(modules, block)
    parent = None if task.parent_rlp is None else decode_parent(modules, task.parent_rlp)
    unchecked = unchecked_without_parent(modules) if parent is None else []
    if block.ommers:
        unchecked.append(pb.RULE_UNCLES)  # whether they descend from ancestors and are new: those are not here
    run.clock.append(time.monotonic_ns())
    roots = body_roots(modules, block)
    check_block(modules, block, len(task.block), parent, roots)
    output = run.apply(block, transactions)
    blob_gas_used = getattr(output, "blob_gas_used", None)
    if blob_gas_used is not None and blob_gas_used != block.header.blob_gas_used:
        raise BrokenRuleError(
            pb.RULE_BLOB_GAS_USED, f"blob_gas_used is {block.header.blob_gas_used}, the body has {blob_gas_used}"
        )
    run.clock.append(time.monotonic_ns())
    fork, knows_roots = modules.fork, task.prestate is None
    # Before Byzantium a receipt holds the state root after its transaction.
    knows_receipts_root = knows_roots or has_status(task.fork) or not transactions
    requests_hash = fork.compute_requests_hash(output.requests) if task.fork in REQUEST_FORKS else None
    return pb.ExecuteResponse(
        computed=pb.Computed(
            state_root=run.state.root() if knows_roots else b"",
            receipts_root=fork.root(output.receipts_trie) if knows_receipts_root else b"",
            logs_bloom=fork.logs_bloom(output.block_logs),
            gas_used=int(output.block_gas_used),
            transactions_root=roots[0],
            blob_gas_used=None if blob_gas_used is None else int(blob_gas_used),
            withdrawals_root=roots[1],
            requests_hash=requests_hash,
            receipts=[_receipt(report, task) for report in modules.reports],
            unchecked_rules=unchecked,
            post_state=run.post_accounts(),
        )
    )


def _receipt(report: tuple[Any, ...], task: BlockTask) -> pb.Receipt:
    """From the arguments of make_receipt: (…, error or post-state, cumulative gas, logs)."""
    outcome, cumulative_gas_used, logs = report[-3:]
    receipt = pb.Receipt(cumulative_gas_used=int(cumulative_gas_used), logs_hash=keccak256(rlp.encode(logs)))
    if has_status(task.fork):
        receipt.succeeded = outcome is None
    elif task.prestate is None:
        receipt.post_state = outcome
    return receipt
