"""A process to be killed: imports the sample chain and says so, one line a block.

python -m tests.verifier.executors.stateful.importing STATE WITNESSES LAST
"""

import sys
from pathlib import Path

from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from witness.store import WitnessStore

from .chains import sample_blocks, sample_genesis


def main(state: Path, witnesses: Path, last: int) -> None:
    with (
        WitnessStore(witnesses, sync=False) as store,
        EmbeddedExecutor(state, sample_genesis(), store, sync=False) as executor,
    ):
        print("head", executor.head().number, flush=True)
        for block in sample_blocks()[:last]:
            outcome = executor.import_block(block)
            if not outcome.known:
                print("done", outcome.block.number, flush=True)
        print("end", executor.head().hash.hex(), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
