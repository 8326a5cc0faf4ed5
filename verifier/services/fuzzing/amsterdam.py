"""Blocks of a fork that the embedded executor does not know: a client fills in what the header has to say.

py-evm builds the draft by the rules of the fork before, which tells what may be included and what is reached. The block
then gets this fork's header, and its roots are what one client computes of it; the others are compared with that.
"""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Protocol

from verifier.domain.result import Computed, Outcome
from verifier.executors.stateful.embedded.initial_state import build_genesis
from verifier.executors.stateful.genesis import Genesis
from verifier.services.conformance.case import Case, CaseBlock
from witness.chain_config import encode_chain_config
from witness.header import decode_block_header, decode_header, keccak256
from witness.model import BlockWitness, Witness
from witness.rlp_encoding import encode_item, encode_list
from witness.rlp_item import list_items

from .headers import with_fields
from .world import EMPTY_LIST_HASH

AMSTERDAM, BEFORE = "amsterdam", "bpo2"
UNSTATED = ("state_root", "receipts_root", "logs_bloom", "gas_used", "requests_hash", "block_access_list_hash")
SLOT = 1  # EIP-7843: any number, as no rule binds it to the parent's

Complete = Callable[[Case], Coroutine[Any, Any, Case | None]]


class Computing(Protocol):
    """A client that executes a block from its witness."""

    async def compute(self, content: BlockWitness, pre_state_root: bytes) -> Outcome:
        """What it computed, the rule that the block breaks, or why it cannot tell."""


def template(genesis: Genesis, built: bytes) -> CaseBlock:
    """The block of the fork before, `built`, on this genesis with this fork's header; what is computed is left open."""
    header, _ = build_genesis(genesis)
    items = list_items(built)
    _, begin, _, end = items[0]
    fields = [bytes(built[begin:end][start:stop]) for _, _, start, stop in list_items(built[begin:end])]
    fields = [keccak256(header), *fields[1:], EMPTY_LIST_HASH, bytes([SLOT])]
    return CaseBlock(encode_list(encode_item([*fields]) + built[end:]), unstated=UNSTATED)


def completing(client: Computing) -> Complete:
    """Fills in what is left open by what this client computes; None where it computes nothing."""

    async def complete(case: Case) -> Case | None:
        (block,) = case.blocks
        if not block.unstated:
            return case
        content, root = whole_state(case, block)
        outcome = await client.compute(content, root)
        if not isinstance(outcome, Computed):
            return None
        values = {name: getattr(outcome, name) for name in block.unstated}
        encoded = {name: _octets(value) for name, value in values.items() if value is not None}
        return replace(case, blocks=(replace(block, encoded=with_fields(block.encoded, encoded), unstated=()),))

    return complete


def whole_state(case: Case, block: CaseBlock) -> tuple[BlockWitness, bytes]:
    """The block with all of its pre-state as witness, and the root of that."""
    assert case.genesis is not None, "a generated block has one"
    header, nodes = build_genesis(case.genesis)
    codes = {account.code for account in case.genesis.accounts.values() if account.code}
    decoded = decode_block_header(block.encoded)
    content = BlockWitness(
        chain_id=case.genesis.config.chain_id,
        number=decoded.number,
        hash=decoded.hash,
        block=block.encoded,
        witness=Witness(state=sorted({*nodes.values()} - codes), codes=sorted(codes), headers=[header]),
        chain_config=encode_chain_config(case.genesis.config.document),
    )
    return content, decode_header(header).state_root


def _octets(value: bytes | int) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
