"""The eels adapter with one rule of the specification changed: `python -m tests.faults.mutated_eels --socket PATH`.

Which rule, says a file when a block comes, so that one process serves every test. An empty file changes nothing.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from adapters.eels.description import ADAPTER
from adapters.eels.execution import execute
from adapters.eels.fork_modules import load_fork
from tests.faults.eels_mutations import EARLY_OSAKA, MUTATIONS
from verifier.rpc.host.command import main
from verifier.rpc.host.task import BlockTask
from verifier.rpc.host.tracer import Tracer
from verifier.rpc.v1 import executor_pb2 as pb

MUTATION_FILE = "VERIFIER_TEST_EELS_MUTATION"  # the environment variable that names the file
FORKS = ("spurious_dragon", "prague", "osaka")  # importing all of them takes seconds


class MutatedEels:
    """The specification, with what the file says changed."""

    def __init__(self) -> None:
        self._chosen = Path(os.environ[MUTATION_FILE])

    def warm(self) -> None:
        """Imports the forks that the tests use."""
        for fork in FORKS:
            load_fork(fork)

    def execute(self, task: BlockTask) -> pb.ExecuteResponse:
        """See the host's Client protocol."""
        with self._mutated(task) as changed:
            return execute(changed)

    def trace(self, task: BlockTask, tracer: Tracer) -> pb.ExecuteResponse:
        """See the host's Client protocol."""
        with self._mutated(task) as changed:
            return execute(changed, tracer)

    def measure(self, task: BlockTask) -> bytes:
        """Not asked for."""
        raise NotImplementedError

    @contextmanager
    def _mutated(self, task: BlockTask) -> Iterator[BlockTask]:
        name = self._chosen.read_text()
        if name == EARLY_OSAKA:
            yield replace(task, fork="osaka")
            return
        with ExitStack() as patches:
            if name:
                for each in MUTATIONS[name](load_fork(task.fork)):
                    patches.enter_context(patch.object(each.target, each.name, each.value))
            yield task


if __name__ == "__main__":
    adapter: Any = replace(ADAPTER, factory="tests.faults.mutated_eels:MutatedEels")
    sys.exit(main(adapter))
