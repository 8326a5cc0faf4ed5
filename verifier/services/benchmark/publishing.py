"""Publishing a witness file, against a plain write of the same bytes."""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from witness.file import encode_witness_file, map_witness_file, witness_file_parts, write_witness_file
from witness.model import Witness

from .measurement import WARM_UP, timed


@dataclass(frozen=True)
class PublishTimes:
    """One witness file, medians in milliseconds: its content published, and the same bytes just written.

    encode: the part of publishing before the file is opened: offsets, order, checksums. synced: forced to the disk,
    file and directory.
    """

    number: int
    size: int
    encode: float
    publish: float
    plain: float
    publish_synced: float
    plain_synced: float


def publish_times(path: Path, runs: int, directory: Path | None = None) -> PublishTimes:
    """A file's publishing against a plain write of the same bytes, in turn, on the same file system."""
    content = map_witness_file(path)
    mapped = content.witness
    witness = Witness(*([bytes(item) for item in each] for each in (mapped.state, mapped.codes, mapped.headers)))
    owned = replace(content, witness=witness)  # as a recorder has it
    encoded = encode_witness_file(owned)
    kinds = ("encode", "publish", "plain", "publish_synced", "plain_synced")
    samples: dict[str, list[float]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory(prefix="verifier-bench-", dir=directory or path.parent) as name:
        target = Path(name)
        for _ in range(WARM_UP + runs):
            with timed(samples["encode"]):
                witness_file_parts(owned)
            for sync, suffix in ((False, ""), (True, "_synced")):
                with timed(samples[f"plain{suffix}"]):
                    _plain_write(encoded, target / "plain", sync=sync)
                (target / "plain").unlink()
                with timed(samples[f"publish{suffix}"]):
                    published = write_witness_file(owned, target, sync=sync)
                published.unlink()
    return PublishTimes(
        content.number, len(encoded), **{key: median(values[WARM_UP:]) for key, values in samples.items()}
    )


def _plain_write(data: bytes, path: Path, *, sync: bool) -> None:
    with path.open("wb", buffering=0) as file:
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[file.write(remaining) :]
        if sync:
            os.fsync(file.fileno())
