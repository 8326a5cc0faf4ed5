"""What the demonstration leaves behind: report.json for programs, report.md for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from verifier.domain.event import Alarm
from verifier.domain.quorum import QuorumPolicy
from verifier.domain.vote import VoteKind

from .expectation import Expectation, Shown
from .program import Act
from .record import GateAnswer
from .telling import act_of, consequences

MARKS = {VoteKind.VALID.value: "✓", VoteKind.INVALID.value: "✗", VoteKind.ABSTAIN.value: "·"}


@dataclass(frozen=True)
class Report:
    """execution_client: its name and version. late: adapter → lineage. error: what is made wrong in the client.

    left_out: act → why it was not shown. seconds: all of it, with starting and ending.
    """

    execution_client: str
    policy: QuorumPolicy
    late: Mapping[str, str]
    error: str
    left_out: Mapping[str, str]
    shown: Sequence[Shown]
    expectations: Sequence[Expectation]
    alarms: Sequence[Alarm]
    gates: Mapping[GateAnswer, int]
    seconds: float

    @property
    def as_it_should_be(self) -> bool:
        """Whether everything that was expected held."""
        return all(each.held for each in self.expectations)

    def document(self) -> dict[str, Any]:
        """The JSON object."""
        policy = self.policy
        return {
            "as_it_should_be": self.as_it_should_be,
            "execution_client": self.execution_client,
            "quorum": {
                "required": policy.required,
                "rejecting": policy.rejecting,
                "lineages": sorted(policy.lineages),
                "adapters": dict(policy.adapters),
                "late": dict(self.late),
            },
            "seconds": round(self.seconds, 1),
            "error": self.error,
            "left_out": dict(self.left_out),
            "expectations": [asdict(each) for each in self.expectations],
            "blocks": [asdict(each) for each in self.shown],
            "gates": [{**asdict(each), "count": count} for each, count in sorted(self.gates.items())],
            "alarms": [asdict(each) for each in self.alarms],
        }

    def text(self) -> str:
        """The Markdown page."""
        policy, count = self.policy, len(self.shown)
        held = "Everything was as it should be." if self.as_it_should_be else "**Not everything was as it should be.**"
        voters = ", ".join(f"{name} ({lineage})" for name, lineage in policy.adapters.items())
        names = [*policy.adapters, *self.late]
        lines = [
            "# Demonstration",
            "",
            f"{held} {count} scenes in {self.seconds:.0f} s, execution client {self.execution_client}.",
            f"{policy.required} of {len(policy.lineages)} lineages attest, {policy.rejecting} reject: {voters}."
            + (f" Late: {', '.join(self.late)}." if self.late else ""),
            *(f"Left out: {act}: {why}." for act, why in self.left_out.items()),
            "",
            "| expected | |",
            "|---|---|",
            *(f"| {each.what} | {'yes' if each.held else f'**no**: {each.detail}'} |" for each in self.expectations),
            "",
            "✓ VALID, ✗ INVALID, · abstained. Then what the engine gate answered, after how long, and the attestation.",
            "",
            f"| slot | block | | {' | '.join(names)} | verdict | engine gate | ms | attestation |",
            f"|---|---|---|{'---|' * len(names)}---|---|---|---|",
            *(self._row(each, names) for each in self.shown),
            "",
            *self._explanations(),
            "## What the gates answered",
            "",
            "| gate | request | answer | gated | times |",
            "|---|---|---|---|---|",
            *(
                f"| {each.gate} | {each.request} | {each.answer} | {'yes' if each.gated else ''} | {count} |"
                for each, count in sorted(self.gates.items())
            ),
            "",
            *(["## Alarms", "", *(f"- `{each.name}`: {each.text}" for each in self.alarms), ""] if self.alarms else []),
        ]
        return "\n".join(lines)

    def _row(self, shown: Shown, names: Sequence[str]) -> str:
        scene = shown.scene
        act = "" if scene.act is Act.HONEST else f"**{scene.act}**"
        votes = " | ".join(
            MARKS.get(shown.votes.get(name, ""), "") + (" lied" if name in scene.liars else "") for name in names
        )
        attestation = shown.attestation.partition(":")[0]
        return (
            f"| {scene.slot} | {shown.number} `{shown.block_hash[:10]}` | {act} | {votes} | {shown.verdict} |"
            f" {shown.engine} | {shown.engine_ms:.0f} | {attestation} |"
        )

    def _explanations(self) -> list[str]:
        lines: list[str] = []
        for each in self.shown:
            if each.scene.act is Act.HONEST:
                continue
            lines += [
                f"## Slot {each.scene.slot}: {each.scene.act}",
                "",
                act_of(each, self.error),
                "",
                *(f"- {what}: {told}" for what, told in consequences(each)),
                "",
                "What each said of the block:",
                "",
                *(f"- {name}: {reason}" for name, reason in each.reasons.items()),
                "",
            ]
        return lines

    def write(self, directory: Path) -> tuple[Path, Path]:
        """Writes both files; where they are. Raises OSError."""
        directory.mkdir(parents=True, exist_ok=True)
        page, document = directory / "report.md", directory / "report.json"
        for path, content in ((page, self.text()), (document, json.dumps(self.document(), indent=2) + "\n")):
            temporary = path.with_name(f".{path.name}.new")
            temporary.write_text(content, encoding="utf-8")
            temporary.replace(path)
        return page, document
