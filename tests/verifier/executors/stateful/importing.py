"""A process to be killed: imports the sample chain and says so, one message a block."""

from multiprocessing.connection import Connection
from pathlib import Path

from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from witness.store import WitnessStore

from .chains import sample_blocks, sample_genesis


def import_sample(messages: Connection, state: Path, witnesses: Path, last: int) -> None:
    """Imports blocks up to `last`; sends ("head", number), ("done", number) a block, ("end", hash of the head)."""
    with (
        WitnessStore(witnesses, sync=False) as store,
        EmbeddedExecutor(state, sample_genesis(), store, sync=False) as executor,
    ):
        messages.send(("head", executor.head().number))
        for block in sample_blocks()[:last]:
            outcome = executor.import_block(block)
            if not outcome.known:
                messages.send(("done", outcome.block.number))
        messages.send(("end", executor.head().hash))
