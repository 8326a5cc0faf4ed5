"""Which versions take part: this program's, and what adapters say of themselves."""

from importlib.metadata import PackageNotFoundError, version

from verifier.executors.stateless.pool import AdapterPool

from .model import ClientVersion, Versions

PACKAGE = "execution-verifier"


def verifier_version() -> str:
    """This program's version, "unknown" where it is not installed."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"


def client_versions(pool: AdapterPool) -> Versions:
    """Of all adapters of the pool, by name; those that are not there now, or say nothing, with "" as version."""
    described = {each.name: each.description for each in pool.supervised}
    described |= {each.name: each.description for each in pool.remote}
    adapters = []
    for executor in sorted(pool.executors, key=lambda each: each.name):
        description = described.get(executor.name)
        said = ("", "", "")
        if description is not None:
            said = (description.client_name, description.client_version, description.adapter_version)
        adapters.append(ClientVersion(executor.name, executor.lineage, *said))
    return Versions(verifier_version(), tuple(adapters))
