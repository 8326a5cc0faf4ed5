"""Who counts, live and late, and how many it takes: the configured names against the adapters that there are."""

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.configuration.reading import EffectiveConfiguration
from verifier.configuration.sections import Configuration, WitnessSource
from verifier.domain.dispute import DisputeRule, DisputeRuleError, dispute_rule
from verifier.domain.quorum import QuorumPolicy, QuorumPolicyError, quorum_policy
from verifier.errors import AdapterError, InputError, UsageError
from verifier.executors.stateful.follower import LINEAGE, NAME
from verifier.executors.stateless.manifest import Manifest, read_manifests
from verifier.executors.stateless.remotes import AnyRemote, EngineRemote, check_names, read_remotes

from .adapters import adapters_directory

# With n = 1 the execution client alone, whose bug this verifier is there to catch, would be the quorum.
LEAST_REQUIRED = 2

Adapter = Manifest | AnyRemote


@dataclass(frozen=True, slots=True)
class Voters:
    """live: in m with the execution client's lineage. late: outside it. policy: n of m. rule: what ends a dispute.

    embedded: whether the embedded executor is live too. As a fallback for witnesses it executes too seldom to count.
    """

    live: tuple[Adapter, ...]
    late: tuple[Adapter, ...]
    policy: QuorumPolicy
    rule: DisputeRule
    embedded: bool = False

    @property
    def manifests(self) -> list[Manifest]:
        """Those that run here, the live ones first."""
        return [each for each in (*self.live, *self.late) if isinstance(each, Manifest)]

    @property
    def remotes(self) -> list[AnyRemote]:
        """Those that somebody else runs, the live ones first."""
        return [each for each in (*self.live, *self.late) if not isinstance(each, Manifest)]


def find_voters(effective: EffectiveConfiguration) -> Voters:
    """Raises ConfigurationError: an adapter that is not there, a file of remote ones that is wrong, an impossible n."""
    values = effective.values
    known = _known(effective)
    live = _named(effective, known, "live", values.adapters.live)
    late = _named(effective, known, "late", values.adapters.late)
    engines = [each.name for each in live if isinstance(each, EngineRemote)]
    if engines:
        reason = f"{', '.join(engines)}: an Engine API never answers every field, so it cannot attest; name it in late"
        raise effective.refuse("adapters", "live", reason)
    assert values.execution.lineage is not None, "checked with the configuration"
    lineages = {each.name: each.lineage for each in live} | {values.execution.name: values.execution.lineage}
    embedded = values.execution.witness is WitnessSource.EMBEDDED
    if embedded and NAME in {*lineages, *(each.name for each in late)}:
        raise effective.refuse("execution", "witness", f'"{NAME}" is the embedded executor\'s name, and used already')
    if embedded:
        lineages[NAME] = LINEAGE
    quorum = values.quorum
    try:
        policy = quorum_policy(lineages, quorum.required, quorum.rejecting)
    except QuorumPolicyError as error:
        named = "rejecting" if str(error).startswith("reject") else "required"
        raise effective.refuse("quorum", named, f"{error} ({', '.join(sorted(set(lineages.values())))})") from None
    if len(policy.lineages) < LEAST_REQUIRED:
        reason = f"all are of the execution client's own lineage {values.execution.lineage}: nobody could contradict it"
        raise effective.refuse("adapters", "live", reason)
    if policy.required < LEAST_REQUIRED:
        reason = "the execution client's own word would be enough; at least one other lineage has to agree"
        raise effective.refuse("quorum", "required", f"{policy.required}: {reason}")
    return Voters(tuple(live), tuple(late), policy, _rule(effective, policy, late), embedded)


def _rule(effective: EffectiveConfiguration, policy: QuorumPolicy, late: Sequence[Adapter]) -> DisputeRule:
    """All who are asked may state. Raises ConfigurationError."""
    values, section = effective.values, effective.values.disputes
    lineages = {each.name: each.lineage for each in late}
    if NAME not in policy.adapters and may_follow(values):
        lineages[NAME] = LINEAGE  # once it executes, its INVALID counts as a late one's
    try:
        return dispute_rule(policy, lineages, section.valid, section.invalid, section.deadline_seconds)
    except DisputeRuleError as error:
        key = "valid" if section.valid is not None else "invalid"
        raise effective.refuse("disputes", key, str(error)) from None


def may_follow(values: Configuration) -> bool:
    """Whether the embedded executor has a use, so that it may be opened."""
    return values.execution.witness in (WitnessSource.AUTO, WitnessSource.EMBEDDED) and values.chain.genesis is not None


def _known(effective: EffectiveConfiguration) -> dict[str, Adapter]:
    remotes_file = effective.values.adapters.remotes
    try:
        remotes = [] if remotes_file is None else read_remotes(remotes_file)
    except (InputError, UsageError) as error:
        raise effective.refuse("adapters", "remotes", str(error)) from None
    try:
        manifests = read_manifests(adapters_directory())
        adapters: list[Adapter] = [*manifests, *remotes]
        check_names(each.name for each in adapters)
    except (UsageError, AdapterError) as error:
        raise effective.refuse("adapters", "live", str(error)) from None
    return {each.name: each for each in adapters}


def _named(
    effective: EffectiveConfiguration, known: dict[str, Adapter], key: str, names: Sequence[str]
) -> list[Adapter]:
    unknown = [name for name in names if name not in known]
    if unknown:
        reason = f"no such adapter: {', '.join(unknown)} (there are: {', '.join(sorted(known)) or 'none'})"
        raise effective.refuse("adapters", key, reason)
    return [known[name] for name in names]
