"""The adapters that the tests of this folder run: the real ones, and one mutated one a language beside them."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from shutil import which

from tests.end_to_end.running import RunningAdapters
from tests.faults.catalogue import Bug, Client
from tests.faults.mutated_eels import MUTATION_FILE
from tests.peers.mutated_geth import SHALLOW_COPY, mutated_geth_adapter
from verifier.domain.localization import Localization
from verifier.domain.quorum import QuorumPolicy, quorum_policy
from verifier.executors.stateless.base import StatelessExecutor
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool
from verifier.executors.stateless.tracer import Tracer
from verifier.services.localizing import Localizer
from verifier.services.replay import BlockReport, ReplayOptions, judge
from verifier.services.tracing import BlockTrace, TraceOptions, compare_traces, trace_request
from witness.file import map_witness_file, write_witness_file
from witness.model import BlockWitness

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PRELOAD = HERE / "ethereumjs_window.mjs"
MUTATED = "mutated-"


class FaultyClients(RunningAdapters):
    """Every adapter that can be started here, and mutated ones under names of their own.

    The eels adapter always is the mutable one, which changes nothing unless told so: it starts in a second, the other
    one imports twenty forks. directory: for the file that tells it.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._mutation = directory / "mutation"
        self._mutation.write_text("")
        self.manifests = [self._mutable(each) if each.name == Client.EELS else each for each in self.manifests]
        self.honest = [manifest.name for manifest in self.manifests]
        self.manifests += [each for manifest in self.manifests if (each := _mutated(manifest)) is not None]
        self._pool = AdapterPool(self.manifests)

    def _mutable(self, manifest: Manifest) -> Manifest:
        environment = (f"PYTHONPATH={ROOT}", f"{MUTATION_FILE}={self._mutation}")
        command = ("env", *environment, "{python}", "-m", "tests.faults.mutated_eels")
        return replace(manifest, start_command=command)

    def mutated(self, bug: Bug) -> str | None:
        """The name of the adapter that has the bug; None where it cannot be started here."""
        name = bug.client if bug.client is Client.EELS else f"{MUTATED}{bug.client}"
        return name if name in self.names else None

    def voters(self, bug: Bug) -> list[str]:
        """The unmutated adapters that execute the bug's block, one a lineage."""
        return [name for name in self.honest if name in bug.lineages]

    def beside(self, mutated: str, bug: Bug) -> list[str]:
        """As `voters`, with the mutated one for its lineage."""
        own = mutated.removeprefix(MUTATED)
        return [name for name in self.voters(bug) if name != own] + [mutated]

    def judge_with(self, bug: Bug, path: Path, names: Sequence[str]) -> BlockReport:
        """Judges a block while the bug is there."""
        self._mutation.write_text(bug.mutation)
        try:
            return self.judge_by(self.executors(names), path)
        finally:
            self._mutation.write_text("")

    def judge_by(
        self, executors: Sequence[StatelessExecutor], path: Path, policy: QuorumPolicy | None = None
    ) -> BlockReport:
        """Judges a block by any executors of this loop. policy: by default the majority of their lineages."""
        policy = policy or quorum_policy({each.name: each.lineage for each in executors})
        return self.run(judge(executors, path, map_witness_file(path), ReplayOptions(policy)))

    def judge_content(self, bug: Bug, content: BlockWitness, directory: Path, names: Sequence[str]) -> BlockReport:
        """Publishes `content` in `directory` and judges it while the bug is there."""
        path = write_witness_file(content, directory, sync=False)
        try:
            return self.judge_with(bug, path, names)
        finally:
            path.unlink()

    def localize_with(self, bug: Bug, path: Path, names: Sequence[str]) -> tuple[BlockReport, Localization]:
        """Judges a block while the bug is there and looks where the sides part, as a sidecar would."""
        self._mutation.write_text(bug.mutation)
        try:
            return self.localize_by(self.executors(names), path)
        finally:
            self._mutation.write_text("")

    def localize_by(self, executors: Sequence[StatelessExecutor], path: Path) -> tuple[BlockReport, Localization]:
        """Judges a block by any executors of this loop and looks where they part; the adapters of their names trace."""
        content = map_witness_file(path)
        request, _ = trace_request(path, content, TraceOptions())
        localizer = Localizer(executors, self.tracers([each.name for each in executors]))
        report = self.judge_by(executors, path)
        return report, self.run(localizer.localize(request, content, report.results, report.votes))

    def trace_by(self, tracers: Sequence[Tracer], path: Path) -> BlockTrace:
        """Compares traces of a block by any tracers of this loop."""
        return self.run(_compared(tracers, path))


async def _compared(tracers: Sequence[Tracer], path: Path) -> BlockTrace:
    async with aclosing(compare_traces(tracers, path, map_witness_file(path), TraceOptions())) as traces:
        async for each in traces:
            if isinstance(each, BlockTrace):
                return each
    raise AssertionError("a comparison ends with its block")


def _mutated(manifest: Manifest) -> Manifest | None:
    """The mutated adapter of a client that has one."""
    if manifest.name == Client.GETH and which("go") is not None:
        command: tuple[str, ...] = (str(mutated_geth_adapter(SHALLOW_COPY)),)
    elif manifest.name == Client.ETHEREUMJS:
        command = ("node", "--import", str(PRELOAD), *manifest.start_command[1:])
    else:
        return None
    return replace(manifest, name=f"{MUTATED}{manifest.name}", start_command=command)
