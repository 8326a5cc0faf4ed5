"""From a bundle, or a witness file, to the state test of one of its transactions, with the help of one executor.

The state in front of the transaction is what the executor computes, in prestate mode, of the block cut to the
transactions before it; what is expected is what it computes of the block with the transaction.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from verifier.domain.result import Abstention, Computed, Mode, Result
from verifier.domain.trace import Step
from verifier.errors import InputError, VerifierError
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from verifier.executors.stateless.tracer import Tracer
from verifier.services.derivation import with_sections
from verifier.services.sources import scratch_directory
from witness.chain_config import parse_chain_config
from witness.file import check_binding, map_witness_file, write_witness_file
from witness.header import keccak256
from witness.model import BlockWitness, PreState
from witness.prestate import decode_prestate

from .cut_block import cut
from .state_test import EMPTY_CODE, FORKS, State, root_of, state_of, state_test
from .transaction import SET_CODE, Transaction, block_transactions, decode_transaction

MAINNET = 1  # the chain id that runners of state tests assume
BLOCKHASH, CHAINID = 0x40, 0x46
# Predeploys of withdrawal and consolidation requests: a system call empties their queues (EIP-7002, EIP-7251).
AT_THE_END = (
    bytes.fromhex("00000961ef480eb55e80d19ad83579a64c007002"),
    bytes.fromhex("0000bbddc7ce488642fb579f8b00f3a590007251"),
)


class ReproductionError(VerifierError):
    """No state test can be made of this: of this block, with this transaction, by this executor."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A state test. document: its JSON. notes: in what it may not be what happened, one line each."""

    name: str
    document: dict[str, Any]
    notes: tuple[str, ...]

    def encoded(self) -> bytes:
        """The file's content."""
        return json.dumps(self.document, indent=2).encode() + b"\n"


async def reproduce(
    executor: StatelessExecutor,
    tracer: Tracer,
    request: ExecutionRequest,
    index: int,
    scratch: Path | None = None,
) -> Reproduction:
    """The state test of transaction `index` of the request's block. scratch: a directory for witness files.

    executor, tracer: of one adapter that is thought to be right; it must have prestate mode. Without a trace of it the
    notes say what may be, else what is. Raises ReproductionError, WitnessError.
    """
    content = map_witness_file(request.witness)
    header = check_binding(content)
    fork = parse_chain_config(request.chain_config or content.chain_config).fork_at(header)
    if fork not in FORKS:
        raise ReproductionError(f"block {header.number}: no state tests are made of {fork}, only from Paris on")
    transactions = block_transactions(bytes(content.block))
    if not 0 <= index < len(transactions):
        raise ReproductionError(f"block {header.number} has {len(transactions)} transactions, none of index {index}")
    prestate = _prestate(content)
    transaction = decode_transaction(transactions[index])
    with _directory(scratch) as directory:
        earlier = await _execute(executor, _cut(request, content, transactions[:index], prestate, directory))
        with_it = _cut(request, content, transactions[: index + 1], prestate, directory)
        later = await _execute(executor, with_it)
        seen = await _instructions(tracer, with_it, index)
    known = decode_prestate(prestate)
    before, after = state_of(known, earlier.post_state or {}), state_of(known, later.post_state or {})
    codes = {EMPTY_CODE: b"", **{keccak256(code): bytes(code) for code in content.witness.codes}}
    notes = _without_codes(before, after, codes, known)
    notes += [
        f"0x{each.hex()} is changed by a system call at the end of the block, too, which a state test has not"
        for each in AT_THE_END
        if before.get(each) != after.get(each)
    ]
    if seen is None:
        seen = {octet for code in codes.values() for octet in code}
    notes += _differences(content, seen, transaction)
    name = f"block_{header.number}_transaction_{index}"
    info = {
        "comment": "made by execution-verifier from the evidence of a dispute",
        "block": f"0x{header.hash.hex()}",
        "transaction": f"0x{transaction.hash.hex()}",
        "expected": f"what {executor.name} computed",
    }
    document = state_test(
        *(name, fork, header, before, codes, transaction),
        *(root_of(after), later.receipts[index].logs_hash, info),
    )
    return Reproduction(name, document, tuple(notes))


def _without_codes(before: State, after: State, codes: Mapping[bytes, bytes], known: PreState) -> list[str]:
    """Takes the codes off that nobody tells, before and after alike; notes where that matters.

    A code that is not in the witness was never read in this block, unless the block itself created it.
    """
    notes = []
    for address, account in before.items():
        if account.code_hash in codes:
            continue
        held, later = known.get(address), after.get(address)
        if held is None or held.code_hash != account.code_hash:
            notes.append(f"0x{address.hex()} is without its code: the block created it earlier, and nobody tells it")
        before[address] = replace(account, code_hash=EMPTY_CODE)
        if later is not None and later.code_hash == account.code_hash:
            after[address] = replace(later, code_hash=EMPTY_CODE)
    return notes


def _prestate(content: BlockWitness) -> bytes:
    """The section of the whole block: the file's own, else derived from its nodes."""
    if content.prestate is not None:
        return bytes(content.prestate)
    try:
        derived, _ = with_sections(content)
    except InputError as error:
        raise ReproductionError(str(error)) from None
    return bytes(derived.prestate or b"")


def _cut(
    request: ExecutionRequest, content: BlockWitness, transactions: Sequence[bytes], prestate: bytes, directory: Path
) -> ExecutionRequest:
    short = cut(content, transactions, prestate)
    path = write_witness_file(short, directory, sync=False)
    return replace(request, witness=path, block_hash=short.hash, mode=Mode.PRESTATE)


async def _execute(executor: StatelessExecutor, request: ExecutionRequest) -> Computed:
    result = await executor.execute(request)
    if not isinstance(result.outcome, Computed) or result.outcome.post_state is None:
        raise ReproductionError(f"{executor.name} computes nothing of the block cut short: {result.outcome}")
    return result.outcome


async def _instructions(tracer: Tracer, request: ExecutionRequest, index: int) -> set[int] | None:
    """The instructions that the transaction executes, None where there is no whole trace."""
    seen = set[int]()
    async with aclosing(tracer.trace(request, index, 1)) as stream:
        async for each in stream:
            if isinstance(each, Result):
                return None if isinstance(each.outcome, Abstention) else seen
            seen |= {item.op for item in each if isinstance(item, Step)}
    return None


def _differences(content: BlockWitness, seen: set[int], transaction: Transaction) -> Iterator[str]:
    """In what a state test's surroundings are others than the block's."""
    others = content.chain_id != MAINNET
    if others and CHAINID in seen:
        yield f"CHAINID answers {MAINNET} in a state test, not {content.chain_id}"
    if others and transaction.kind == SET_CODE:
        yield f"authorizations for chain {content.chain_id} do not count in a state test, whose chain id is {MAINNET}"
    if BLOCKHASH in seen:
        yield "BLOCKHASH answers otherwise in a state test, which has block hashes of its own"


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with scratch_directory() as made:
        yield made
