"""The executable specification behind the host's Client protocol."""

from verifier.rpc.host.task import BlockTask
from verifier.rpc.host.tracer import Tracer
from verifier.rpc.v1 import executor_pb2 as pb

from .description import SUPPORTED_FORKS
from .execution import execute, measure
from .fork_modules import load_fork


class EelsClient:
    """The specification in this process."""

    def warm(self) -> None:
        """Imports every fork. Raises RuntimeError where answers would be wrong."""
        if not __debug__:
            # The specification states rules and invariants by assert.
            raise RuntimeError("the specification must not run with assertions switched off (python -O)")
        for fork in SUPPORTED_FORKS:
            load_fork(fork)

    def execute(self, task: BlockTask) -> pb.ExecuteResponse:
        """See the host's Client protocol."""
        return execute(task)

    def trace(self, task: BlockTask, tracer: Tracer) -> pb.ExecuteResponse:
        """See the host's Client protocol."""
        return execute(task, tracer)

    def measure(self, task: BlockTask) -> bytes:
        """See the host's Client protocol."""
        return measure(task)
