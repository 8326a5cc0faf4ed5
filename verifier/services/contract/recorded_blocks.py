"""Blocks of the kit's own making: executed by py-evm on the sample chain's rules, and recorded as witness files."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.errors import InputError
from witness.file import write_witness_file

from .bundled_block import BundledBlock, bundled

if TYPE_CHECKING:  # it brings py-evm with it, which takes a second
    from verifier.executors.stateful.embedded.building import BlockPlan
    from verifier.executors.stateful.genesis import GenesisAccount


def record_blocks(
    accounts: Mapping[bytes, "GenesisAccount"], plans: Sequence["BlockPlan"], directory: Path
) -> tuple[BundledBlock, ...]:
    """Makes the blocks one upon the other and records them into `directory`.

    accounts: by address, what the state before has beside the sample chain's. Raises VerifierError.
    """
    from verifier.executors.stateful.embedded.building import ChainBuilder
    from verifier.executors.stateful.embedded.sample_chain import sample_genesis
    from verifier.executors.stateful.fake import MemorySink

    genesis, sink = sample_genesis(), MemorySink()
    genesis = replace(genesis, accounts={**genesis.accounts, **accounts})
    with (
        tempfile.TemporaryDirectory(prefix="recorded-blocks-") as state,
        ChainBuilder(Path(state), genesis, sink) as builder,
    ):
        for plan in plans:
            _, outcome = builder.add(plan)
            if outcome.invalid is not None:
                raise InputError(f"a block of the kit's own: {outcome.invalid}")
    contents = sorted(sink.published.values(), key=lambda content: content.number)
    return tuple(bundled(write_witness_file(content, directory, sync=False)) for content in contents)
