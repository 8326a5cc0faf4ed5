"""Puts a campaign of generated blocks together: who executes them, what they are made from, where it is noted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from verifier.app.conformance import inspected, recorder_named
from verifier.domain.result import Outcome
from verifier.executors.stateless.manifest import Manifest
from verifier.services.conformance.batch import plan
from verifier.services.conformance.known import packaged_differences
from verifier.services.conformance.workbench import Workbench, WorkbenchSettings
from verifier.services.fuzzing.amsterdam import AMSTERDAM, completing
from verifier.services.fuzzing.campaign import Campaign, Limits, Progress
from verifier.services.fuzzing.construction import classes_of_word
from verifier.services.fuzzing.findings import Finding
from verifier.services.fuzzing.generation import Generator
from verifier.services.fuzzing.material import Material, bundled_material, material_of
from verifier.services.fuzzing.state import Identity, State
from witness.model import BlockWitness

FILLER = "geth"
DEADLINE = 60.0  # seconds a block: generated ones have little gas, and a client that hangs is a finding


@dataclass(frozen=True)
class FuzzOptions:
    """What is run. fixtures: paths to start from besides what is bundled. out: the campaign's directory."""

    seed: str
    forks: tuple[str, ...]
    manifests: tuple[Manifest, ...]
    recorder: str
    fixtures: tuple[Path, ...]
    out: Path
    resume: bool = False
    available: bool = False


def identity_of(options: FuzzOptions, versions: dict[str, str]) -> Identity:
    """What a campaign is told apart by. Raises InputError."""
    digest = plan([str(path) for path in options.fixtures]).digest if options.fixtures else ""
    return Identity(options.seed, options.forks, digest, versions, options.recorder)


def seed_of(text: str | None, entropy: Callable[[], bytes]) -> str:
    """The seed as given, or a new one."""
    return text if text is not None else sha256(entropy()).hexdigest()[:12]


def material(options: FuzzOptions) -> Material:
    """What drafts are made from."""
    return material_of(options.fixtures, options.forks) if options.fixtures else bundled_material()


@dataclass(frozen=True)
class _Filler:
    """The client that says what the headers of blocks have to say that the embedded executor cannot build."""

    bench: Workbench

    async def compute(self, content: BlockWitness, pre_state_root: bytes) -> Outcome:
        """As Computing.compute."""
        return await self.bench.compute(FILLER, content, pre_state_root)


async def run_campaign(
    options: FuzzOptions,
    manifests: Sequence[Manifest],
    state: State,
    limits: Limits,
    found: Callable[[Finding], None],
    done: Callable[[Progress], None],
) -> Campaign:
    """Runs until a limit is reached. Raises AdapterUnavailableError, StateError."""
    settings = WorkbenchSettings(
        manifests=tuple(manifests),
        open_recorder=recorder_named(options.recorder),
        takes=lambda _: True,
        deadline=DEADLINE,
        of_exception=classes_of_word,
    )
    generator = Generator(options.seed, options.forks, material(options))
    async with Workbench(settings) as bench:
        complete = completing(_Filler(bench)) if AMSTERDAM in options.forks else None
        campaign = Campaign(
            options.seed, generator, bench, state, packaged_differences(), complete=complete, found=found, done=done
        )
        await campaign.run(limits)
    return campaign


__all__ = ["FuzzOptions", "Limits", "identity_of", "inspected", "run_campaign", "seed_of"]
