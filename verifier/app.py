"""The composition root: where the parts are found and put together. Nothing else constructs them."""

import os
from collections.abc import Sequence
from pathlib import Path

from verifier.errors import UsageError
from verifier.executors.stateless.manifest import Manifest, read_manifests, select
from verifier.executors.stateless.remotes import AnyRemote, read_remotes, select_all

ADAPTERS_VARIABLE = "VERIFIER_ADAPTERS"


def adapters_directory() -> Path:
    """Where the adapters' folders lie: $VERIFIER_ADAPTERS, else `adapters/` of the checkout. Raises UsageError."""
    configured = os.environ.get(ADAPTERS_VARIABLE)
    directory = Path(configured) if configured else Path(__file__).parent.parent / "adapters"
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory; set {ADAPTERS_VARIABLE} to where the adapters are")
    return directory


def bundled_chain() -> Path:
    """The chain of our own that comes with the checkout: genesis.json and chain.rlp. Raises UsageError."""
    directory = Path(__file__).parent.parent / "fixtures" / "chain"
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory; the bundled chain comes with the checkout")
    return directory


def configured_adapters(names: Sequence[str] = ()) -> list[Manifest]:
    """The manifests of the named adapters, or of all. Raises UsageError, AdapterManifestError."""
    manifests = read_manifests(adapters_directory())
    if names:
        return select(manifests, names)
    if not manifests:
        raise UsageError(f"{adapters_directory()}: no adapters in it")
    return manifests


def selected_adapters(names: str | None, remotes: Path | None) -> tuple[list[Manifest], list[AnyRemote]]:
    """Those of this checkout and those of a file of remote ones; `names`, separated by commas, chooses among both.

    Raises UsageError, InputError, AdapterManifestError.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()] if names else []
    if remotes is None:
        return configured_adapters(wanted), []
    return select_all(read_manifests(adapters_directory()), read_remotes(remotes), wanted)
