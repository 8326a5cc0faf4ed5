"""Adapters of this checkout in a folder of a test's own, from which it can take their programs away."""

from collections.abc import Sequence
from pathlib import Path

from verifier.app import configured_adapters

MANIFEST = """
name = "{name}"
lineage = "{lineage}"
description = "{description}"
forks = [{forks}]

[start]
command = ["{{folder}}/{name}-adapter"]
modules = []
"""


class AdapterFolders:
    """Folders for the named adapters below `directory`; their programs are links to those that are built."""

    def __init__(self, directory: Path, names: Sequence[str]) -> None:
        self.directory = directory
        self._programs: dict[Path, Path] = {}
        for manifest in configured_adapters(names):
            folder = directory / manifest.name
            folder.mkdir(parents=True)
            forks = ", ".join(f'"{fork}"' for fork in manifest.forks)
            (folder / "adapter.toml").write_text(
                MANIFEST.format(
                    name=manifest.name, lineage=manifest.lineage, description=manifest.description, forks=forks
                )
            )
            assert manifest.artifact_path is not None, "a program, not a module"
            self._programs[folder / f"{manifest.name}-adapter"] = manifest.artifact_path.resolve()
        self.restore()

    def remove(self) -> None:
        """None of the programs can be started any more."""
        for link in self._programs:
            link.unlink()

    def restore(self) -> None:
        """They can be started again."""
        for link, program in self._programs.items():
            link.symlink_to(program)
