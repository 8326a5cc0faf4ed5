"""What /readyz answers with: whether blocks could be judged now."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from verifier.domain.quorum import QuorumPolicy
from verifier.executors.stateless.pool import AdapterPool
from verifier.executors.stateless.process import ProcessState
from verifier.telemetry.readiness import Condition

STARTING = "the sidecar is starting"


@dataclass
class SidecarReadiness:
    """Conditions that the parts of the sidecar fulfil one after the other; callable as `telemetry.readiness.Readiness`.

    executor: the execution client's name among the policy's adapters. embedded: the embedded executor's, where it is
    among them, since it is open. reach: raises where the execution client cannot
    be asked; failure: why the ledger cannot be written, "" if it can; anchored: whether a block is trusted. They are
    set when their parts are there.
    """

    policy: QuorumPolicy
    executor: str
    embedded: str = ""
    pool: AdapterPool | None = None
    reach: Callable[[], Awaitable[object]] | None = None
    failure: Callable[[], str] | None = None
    anchored: Callable[[], bool] | None = None
    serving: bool = field(default=False)

    async def __call__(self) -> Sequence[Condition]:
        """As telemetry.readiness.Readiness."""
        return (self._adapters(), await self._execution_client(), self._ledger(), self._anchored(), self._gates())

    def _adapters(self) -> Condition:
        ready = self.ready_adapters()
        lineages = {self.policy.adapters[name] for name in (*ready, self.executor) if name in self.policy.adapters}
        away = sorted(set(self.policy.adapters) - ready - {self.executor})
        detail = f"{len(lineages)} lineages of the {self.policy.required} that have to agree"
        if away:
            detail += f"; not ready: {', '.join(away)}"
        return Condition("adapters", met=len(lineages) >= self.policy.required, detail=detail)

    def ready_adapters(self) -> set[str]:
        """The names of the adapters that could be asked now."""
        if self.pool is None:
            return set()
        here = {each.name for each in self.pool.supervised if each.process.state is ProcessState.READY}
        own = {self.embedded} if self.embedded else set()
        return here | own | {each.name for each in self.pool.remote if each.connected}

    async def _execution_client(self) -> Condition:
        if self.reach is None:
            return Condition("execution_client", met=False, detail=STARTING)
        try:
            await self.reach()
        except Exception as error:
            return Condition("execution_client", met=False, detail=" ".join(str(error).split()))
        return Condition("execution_client", met=True)

    def _ledger(self) -> Condition:
        if self.failure is None:
            return Condition("ledger", met=False, detail=STARTING)
        failure = self.failure()
        return Condition("ledger", met=not failure, detail=failure)

    def _anchored(self) -> Condition:
        if self.anchored is None or not self.anchored():
            return Condition("anchored", met=False, detail="no block is trusted yet")
        return Condition("anchored", met=True)

    def _gates(self) -> Condition:
        return Condition("gates", met=self.serving, detail="" if self.serving else STARTING)
