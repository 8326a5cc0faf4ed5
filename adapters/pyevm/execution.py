"""One block through py-evm: decode, check, execute, and report what was computed."""

import time
from typing import Any

import rlp
from eth.consensus.context import ConsensusContext
from eth.constants import BLANK_ROOT_HASH, EMPTY_SHA256, EMPTY_UNCLE_HASH
from eth.vm.chain_context import ChainContext
from eth_hash.auto import keccak

from machine.configuration import parameters
from verifier.rpc.host.post_state import post_accounts
from verifier.rpc.host.responses import broken_rule, insufficient, missing_of, refused
from verifier.rpc.host.task import BlockTask, has_status
from verifier.rpc.host.tracer import Tracer
from verifier.rpc.v1 import executor_pb2 as pb
from witness.errors import ChainConfigError, WitnessInsufficientError
from witness.header import keccak256
from witness.model import PreState

from .composition import machine_class
from .database import WitnessChainDB, WitnessDatabase
from .machine import BrokenRuleError
from .misses import collecting, record
from .prestate import PrestateDatabase
from .rules import check_block, decode_block, decode_parent, stand_in_parent, unchecked_without_parent

SUCCEEDED = b"\x01"


def execute(task: BlockTask, tracer: Tracer | None = None) -> pb.ExecuteResponse:
    """The whole answer about one block, but for the time that the host needed. Raises what py-evm should not.

    tracer: is told of the instructions, where there is one.
    """
    clock = [time.monotonic_ns()]
    with collecting() as misses:
        try:
            response = _execute(task, clock, tracer)
        except BrokenRuleError as error:
            index = "" if error.index is None else f"transaction {error.index}: "
            response = broken_rule(error.rule, f"{index}{error}")
        except ChainConfigError as error:
            response = refused(f"chain config: {error}")
        except Exception:
            if not misses:
                raise
            response = pb.ExecuteResponse()
    # Whatever came of it: an answer that a missing node, code or ancestor has touched is none.
    if misses:
        response = insufficient(misses.values())
    clock.append(time.monotonic_ns())
    clock += [clock[-1]] * (4 - len(clock))
    for name, start, stop in (("decode_us", 0, 1), ("execute_us", 1, 2), ("root_us", 2, 3)):
        setattr(response.timings, name, (clock[stop] - clock[start]) // 1000)
    return response


def compute(task: BlockTask) -> bytes:
    """The state root after the block, without any rule of the adapter, as py-evm itself gets there."""
    chosen = parameters(task.config, task.fork)
    machine_type = machine_class(chosen)
    block: Any = rlp.decode(bytes(task.block), sedes=machine_type.block_class)
    assert task.parent_rlp is not None  # measured on complete witnesses only
    machine = _machine(task, machine_type, block.header, decode_parent(task.parent_rlp))
    root: bytes = machine.import_block(block).block.header.state_root
    return root


def _execute(task: BlockTask, clock: list[int], tracer: Tracer | None) -> pb.ExecuteResponse:
    chosen = parameters(task.config, task.fork)
    machine_type = machine_class(chosen, traced=tracer is not None, prestate=task.prestate is not None)
    block: Any = decode_block(machine_type, task.block)
    if task.parent_rlp is not None:
        parent, unchecked = decode_parent(task.parent_rlp), []
    else:
        parent, unchecked = stand_in_parent(block.header), unchecked_without_parent(block.header, chosen)
    if block.uncles:
        unchecked.append(pb.RULE_UNCLES)  # whether they descend from ancestors and are new: those are not here
    machine = _machine(task, machine_type, block.header, parent)
    if tracer is not None:
        machine.report_to(tracer)
    clock.append(time.monotonic_ns())
    check_block(machine, block, parent, chosen, with_parent=task.parent_rlp is not None)
    header = machine.import_block(block).block.header
    clock.append(time.monotonic_ns())
    prestate = task.prestate
    knows_roots = prestate is None
    # Before Byzantium a receipt holds the state root after its transaction.
    knows_receipts_root = knows_roots or has_status(task.fork) or not machine.receipts
    return pb.ExecuteResponse(
        computed=pb.Computed(
            state_root=header.state_root if knows_roots else b"",
            receipts_root=header.receipt_root if knows_receipts_root else b"",
            logs_bloom=header.bloom.to_bytes(256, "big"),
            gas_used=header.gas_used,
            transactions_root=header.transaction_root,
            blob_gas_used=getattr(header, "blob_gas_used", None),
            withdrawals_root=getattr(header, "withdrawals_root", None),
            requests_hash=getattr(header, "requests_hash", None),
            receipts=[_receipt(receipt, task) for receipt in machine.receipts],
            unchecked_rules=unchecked,
            post_state=[] if prestate is None else _post_accounts(prestate, machine.chaindb.db),
        )
    )


def _machine(task: BlockTask, machine_type: Any, header: Any, parent: Any) -> Any:
    """A VM over the witness, about to execute the block with this header."""
    codes = {keccak256(code): code for code in task.codes}
    if task.prestate is None:
        database = WitnessDatabase({keccak256(node): node for node in task.nodes}, codes)
    else:
        database = PrestateDatabase(task.prestate, codes)
    chain_database = WitnessChainDB(database, task.header.parent_hash, parent)
    context = ChainContext(task.config.chain_id)
    machine = machine_type(_initial_header(task, header), chain_database, context, ConsensusContext(database))
    machine.prepare(task.ancestor_hashes)
    return machine


def _initial_header(task: BlockTask, header: Any) -> Any:
    """The block's own header before anything is computed: the pre-state root, and nothing about the body."""
    values: dict[str, Any] = {
        "state_root": task.pre_state_root,
        "transaction_root": BLANK_ROOT_HASH,
        "receipt_root": BLANK_ROOT_HASH,
        "uncles_hash": EMPTY_UNCLE_HASH,
        "bloom": 0,
        "gas_used": 0,
        "withdrawals_root": BLANK_ROOT_HASH,
        "blob_gas_used": 0,
        "requests_hash": EMPTY_SHA256,
    }
    fields = header._meta.field_names
    return header.copy(**{name: value for name, value in values.items() if name in fields})


def _post_accounts(prestate: PreState, database: PrestateDatabase) -> list[pb.PostAccount]:
    try:
        return post_accounts(prestate, database.touched())
    except WitnessInsufficientError as error:
        record(missing_of(error))
        raise


def _receipt(receipt: Any, task: BlockTask) -> pb.Receipt:
    logs = keccak(rlp.encode(receipt.logs))
    result = pb.Receipt(cumulative_gas_used=receipt.gas_used, logs_hash=logs)
    if has_status(task.fork):
        result.succeeded = receipt.state_root == SUCCEEDED
    elif task.prestate is None:
        result.post_state = receipt.state_root
    return result
