"""The seam between this host and one execution client."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from ..v1 import executor_pb2 as pb
from .task import BlockTask
from .tracer import Tracer


class Client(Protocol):
    """One execution client, in a process of its own, asked for one block at a time from one thread."""

    def warm(self) -> None:
        """Does everything that only the first block would pay for (imports, KZG set-up, caches)."""

    def execute(self, task: BlockTask) -> pb.ExecuteResponse:
        """Executes one block, on the task's nodes or, where there is one, on its prestate.

        Whatever it raises becomes CRASHED; nothing may stay behind for the next block.
        Fills decode_us, execute_us and root_us of the answer's timings; the host adds its own part.
        """

    def trace(self, task: BlockTask, tracer: Tracer) -> pb.ExecuteResponse:
        """Executes one block as `execute` does, and reports what its transactions do to `tracer`.

        Asked only where the adapter's description says `traces`.
        """

    def measure(self, task: BlockTask) -> bytes:
        """Executes a block known to be good by the client's own shortest way, and returns the state root.

        No rules of the adapter, and nothing that an earlier run of the same block left behind. For `--bench`.
        """


@dataclass(frozen=True, slots=True)
class Adapter:
    """What the host needs to know of an adapter without importing its client.

    factory: `module:name` of a callable that returns the Client; imported in the workers only, because a client takes
    seconds to import and may patch its own packages. required_modules: absent ones end the process with status 3.
    description: client, versions, lineage, forks, unchecked rules and whether it traces; the host adds the rest. Called
    only where the required modules are there.
    """

    name: str
    factory: str
    required_modules: tuple[str, ...]
    description: Callable[[], pb.DescribeResponse]


def load_client(factory: str) -> Client:
    """Imports and calls `module:name`. Raises what that raises."""
    module, _, name = factory.partition(":")
    client: Client = getattr(import_module(module), name)()
    return client
