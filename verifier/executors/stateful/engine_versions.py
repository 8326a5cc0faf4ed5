"""Which version of each Engine API method a fork's blocks go by (execution-apis, `engine/<fork>.md`)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineVersions:
    """The versions of three methods."""

    forkchoice_updated: int
    get_payload: int
    new_payload: int


_OSAKA = EngineVersions(forkchoice_updated=3, get_payload=5, new_payload=4)
ENGINE_VERSIONS = {
    "paris": EngineVersions(forkchoice_updated=1, get_payload=1, new_payload=1),
    "shanghai": EngineVersions(forkchoice_updated=2, get_payload=2, new_payload=2),
    "cancun": EngineVersions(forkchoice_updated=3, get_payload=3, new_payload=3),
    "prague": EngineVersions(forkchoice_updated=3, get_payload=4, new_payload=4),
    "osaka": _OSAKA,
    "bpo1": _OSAKA,
    "bpo2": _OSAKA,
    "amsterdam": EngineVersions(forkchoice_updated=4, get_payload=6, new_payload=5),
}
