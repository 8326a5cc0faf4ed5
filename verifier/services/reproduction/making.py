"""From a bundle, or a witness file, to the state test of one of its transactions, with the help of one executor.

The state in front of the transaction is what the executor computes, in prestate mode, of the block cut to the
transactions before it; what is expected is what it computes of the block with the transaction.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from verifier.domain.result import Computed, Mode
from verifier.errors import InputError, VerifierError
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from verifier.services.derivation import with_sections
from verifier.services.sources import scratch_directory
from witness.chain_config import parse_chain_config
from witness.file import check_binding, map_witness_file, write_witness_file
from witness.header import keccak256
from witness.model import BlockWitness, Header, PostState
from witness.prestate import decode_prestate

from .cut_block import cut
from .state_test import FORKS, root_of, state_of, state_test
from .transaction import block_transactions, decode_transaction

MAINNET = 1  # the chain id that runners of state tests assume
BLOCKHASH, CHAINID = 0x40, 0x46


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
    executor: StatelessExecutor, request: ExecutionRequest, index: int, scratch: Path | None = None
) -> Reproduction:
    """The state test of transaction `index` of the request's block. scratch: a directory for witness files.

    executor: one that is thought to be right; it must have prestate mode. Raises ReproductionError, WitnessError.
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
        earlier = await _execute(executor, request, cut(content, transactions[:index], prestate), directory)
        later = await _execute(executor, request, cut(content, transactions[: index + 1], prestate), directory)
    known = decode_prestate(prestate)
    before, after = state_of(known, _changes(earlier)), state_of(known, _changes(later))
    codes = {keccak256(code): bytes(code) for code in content.witness.codes}
    name = f"block_{header.number}_transaction_{index}"
    info = {
        "comment": "made by execution-verifier from the evidence of a dispute",
        "block": f"0x{header.hash.hex()}",
        "transaction": f"0x{transaction.hash.hex()}",
        "expected": f"what {executor.name} computed",
    }
    try:
        document = state_test(
            *(name, fork, header, before, codes, transaction),
            *(root_of(after), later.receipts[index].logs_hash, info),
        )
    except KeyError as error:
        raise ReproductionError(f"{name}: the witness lacks the code 0x{error.args[0].hex()}") from None
    return Reproduction(name, document, tuple(_notes(content, header, codes, transaction.kind)))


def _prestate(content: BlockWitness) -> bytes:
    """The section of the whole block: the file's own, else derived from its nodes."""
    if content.prestate is not None:
        return bytes(content.prestate)
    try:
        derived, _ = with_sections(content)
    except InputError as error:
        raise ReproductionError(str(error)) from None
    return bytes(derived.prestate or b"")


async def _execute(
    executor: StatelessExecutor, request: ExecutionRequest, content: BlockWitness, directory: Path
) -> Computed:
    path = write_witness_file(content, directory, sync=False)
    asked = replace(request, witness=path, block_hash=content.hash, mode=Mode.PRESTATE)
    result = await executor.execute(asked)
    if not isinstance(result.outcome, Computed) or result.outcome.post_state is None:
        raise ReproductionError(f"{executor.name} computes nothing of the block cut short: {result.outcome}")
    return result.outcome


def _changes(computed: Computed) -> PostState:
    return computed.post_state or {}


def _notes(content: BlockWitness, header: Header, codes: dict[bytes, bytes], kind: int) -> Iterator[str]:
    others = content.chain_id != MAINNET
    if others and any(CHAINID in code for code in codes.values()):
        yield f"state tests run with chain id {MAINNET}, not {content.chain_id}: CHAINID answers otherwise"
    if others and kind == 4:
        yield f"state tests run with chain id {MAINNET}: authorizations for chain {content.chain_id} do not count"
    if any(BLOCKHASH in code for code in codes.values()):
        yield f"state tests have block hashes of their own: BLOCKHASH answers otherwise than before {header.number}"


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with scratch_directory() as made:
        yield made
