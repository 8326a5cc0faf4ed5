"""Evidence bundles: all that is known of a dispute in one directory that says what it must hold (docs/disputes.md).

`bundle` writes and reads them, `model` is what is in one, `document` how it is written, `rerun` has it executed again.
"""

from .bundle import is_bundle, read_bundle, remove_leftovers, write_bundle
from .errors import (
    EvidenceDamagedError,
    EvidenceError,
    EvidenceVersionError,
    EvidenceWriteError,
    NoEvidenceError,
)
from .model import ClientVersion, Evidence, Versions
from .superseding import remove_superseded
from .versions import client_versions, verifier_version

__all__ = [
    "ClientVersion",
    "Evidence",
    "EvidenceDamagedError",
    "EvidenceError",
    "EvidenceVersionError",
    "EvidenceWriteError",
    "NoEvidenceError",
    "Versions",
    "client_versions",
    "is_bundle",
    "read_bundle",
    "remove_leftovers",
    "remove_superseded",
    "verifier_version",
    "write_bundle",
]
