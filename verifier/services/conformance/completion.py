"""Completes blocks whose headers a fixture does not state in full (`CaseBlock.unstated`): state tests become blocks.

What is missing is computed by the embedded executor, py-evm; what the fixture states, above all the state root, stays.
So all clients are held to the fixture where it speaks, and to py-evm where it does not: a difference of gas used or
receipts alone is one between py-evm and the client. Where py-evm comes to another state root than the fixture, its word
on the rest is worth nothing either (`CaseBlock.uncertain`).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from verifier.executors.stateful.errors import UnbuildableBlockError, UnsupportedForkError
from verifier.services.reproduction.transaction import block_transactions
from witness.header import FIELDS, decode_block_header
from witness.model import BlockWitness
from witness.rlp_encoding import encode_item, encode_list
from witness.rlp_item import list_items

from .case import Case, CaseBlock

POSITIONS = {name: position for position, (name, _) in enumerate(FIELDS)}


class _Nowhere:
    """A sink for nothing: blocks are only built."""

    def publish(self, content: BlockWitness) -> None:
        """Keeps nothing."""


def complete(case: Case, directory: Path) -> Case:
    """The case with every header whole. directory: for a database, not used before; gone through again by nobody.

    A block that py-evm cannot build, or of a fork that it does not know, stays as it is, for the recorder to say why.
    Raises ExecutorError.
    """
    if case.genesis is None or not any(block.unstated for block in case.blocks):
        return case
    return replace(case, blocks=tuple(_completed(case, directory)))


def _completed(case: Case, directory: Path) -> Iterator[CaseBlock]:
    # py-evm is behind this module, and takes a second to import.
    from verifier.executors.stateful.embedded.building import BlockPlan, ChainBuilder

    assert case.genesis is not None
    with ChainBuilder(directory, case.genesis, _Nowhere()) as builder:
        for block in case.blocks:
            if not block.unstated:
                yield block
                continue
            header = decode_block_header(block.encoded)
            plan = BlockPlan(
                timestamp=header.timestamp,
                transactions=block_transactions(block.encoded),
                coinbase=header.coinbase,
                extra_data=header.extra_data,
                random=header.mix_hash,
                parent_beacon_block_root=header.parent_beacon_block_root or bytes(32),
            )
            try:
                built = builder.build(plan)
            except (UnbuildableBlockError, UnsupportedForkError):
                yield block
                continue
            is_certain = decode_block_header(built).state_root == header.state_root
            yield replace(
                block,
                encoded=_with_fields(block.encoded, built, block.unstated),
                unstated=(),
                uncertain=() if is_certain else block.unstated,
            )


def _with_fields(block: bytes, built: bytes, names: tuple[str, ...]) -> bytes:
    """The block with these fields of its header taken from the one that was built."""
    fields, computed = _header_items(block), _header_items(built)
    for name in names:
        fields[POSITIONS[name]] = computed[POSITIONS[name]]
    _, _, _, end = list_items(block)[0]
    first = list_items(block)[1][1]
    assert first == end
    return encode_list(encode_item([*fields]) + block[end:])


def _header_items(block: bytes) -> list[bytes]:
    _, start, _, end = list_items(block)[0]
    header = block[start:end]
    return [header[first:last] for _, _, first, last in list_items(header)]
