"""Where a chain of trusted blocks starts: a configured checkpoint, else what the execution client calls final."""

from collections.abc import Sequence
from typing import Protocol

from verifier.domain.event import Alarm, Observer
from verifier.domain.status import BlockStatus, TrackedBlock
from verifier.errors import UsageError
from verifier.executors.stateful.errors import ExecutionClientError
from verifier.ledger.errors import LedgerError
from witness.model import Header

from .catch_up import tracked_from
from .chain import Chain


class HeaderSource(Protocol):
    """The execution client, as far as it is needed here. Both raise ExecutionClientError."""

    async def header(self, block_hash: bytes) -> Header | None:
        """The header with this hash, checked; None if it does not have it."""

    async def header_at(self, tag: str | int) -> Header | None:
        """The header at a number or a tag; None if there is none."""


class CheckpointError(UsageError):
    """A checkpoint that cannot be started from: unknown, of another state root, invalid, or disputed since."""


async def establish_anchor(
    chain: Chain,
    source: HeaderSource,
    observer: Observer,
    chain_id: int,
    *,
    checkpoint: bytes | None = None,
    state_root: bytes | None = None,
) -> str:
    """Makes sure that there is an anchor, says loudly which, and returns that line.

    checkpoint: hash of the block to trust (32 bytes); state_root: what its header must have. Without one, and without
    an anchor in the ledger, the block that the execution client calls final is trusted, or the genesis block where
    nothing is final yet. Raises CheckpointError, ExecutionClientError, LedgerError.
    """
    if checkpoint is not None:
        why = await _trust_checkpoint(chain, source, chain_id, checkpoint, state_root)
    else:
        anchors = [each for each in chain.blocks.values() if each.anchor]
        if anchors:
            why = _go_on(anchors)
        else:
            why = await _trust_final(chain, source, chain_id)
    if chain.failure:
        raise LedgerError(chain.failure)
    observer.notify(Alarm("anchored", why))
    return why


def _go_on(anchors: Sequence[TrackedBlock]) -> str:
    newest = max(anchors, key=lambda each: each.block.number)
    if newest.status is not BlockStatus.VERIFIED:
        raise CheckpointError(
            f"the block that the ledger trusted, {newest.block}, is {newest.status}: {newest.why};"
            " configure a checkpoint"
        )
    return f"goes on from block {newest.block}, which the ledger has as trusted: {newest.why}"


async def _trust_checkpoint(
    chain: Chain, source: HeaderSource, chain_id: int, checkpoint: bytes, state_root: bytes | None
) -> str:
    known = chain.tracked(checkpoint)
    if known is None:
        header = await source.header(checkpoint)
        if header is None:
            raise CheckpointError(f"checkpoint 0x{checkpoint.hex()}: the execution client does not have this block")
        known = tracked_from(chain_id, header)
    if state_root not in (None, known.state_root):
        raise CheckpointError(
            f"checkpoint 0x{checkpoint.hex()}: its state root is 0x{known.state_root.hex()}, not the configured one"
        )
    if known.status is BlockStatus.INVALID:
        raise CheckpointError(f"checkpoint 0x{checkpoint.hex()} is invalid: {known.why}")
    if known.anchor and known.status is BlockStatus.DISPUTED:
        raise CheckpointError(
            f"checkpoint 0x{checkpoint.hex()} was trusted, and is {known.status}: {known.why}; configure another one,"
            " or say that it is right after all: verifier ledger trust"
        )
    why = "the configured checkpoint"
    if not known.anchor or known.status is not BlockStatus.VERIFIED:
        chain.trust(known, why)
    return f"starts from block {known.block}: {why}"


async def _trust_final(chain: Chain, source: HeaderSource, chain_id: int) -> str:
    header = await source.header_at("finalized")
    why = "what the execution client calls final, unverified"
    if header is None:
        header = await source.header_at(0)
        why = "the genesis block of the execution client, as nothing is final yet"
    if header is None:
        raise ExecutionClientError("the execution client has no genesis block")
    tracked = tracked_from(chain_id, header)
    chain.trust(tracked, why)
    return f"starts from block {tracked.block}: {why}"
