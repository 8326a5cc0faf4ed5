"""Which requests of the Beacon API carry votes, and where in request or answer they are. All others pass.

Source: beacon-APIs, v5. Paths are compared as a lenient server would read them, so that none gets past the gate in
another spelling.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from .messages import MessageKind

VERSION = r"\d[\w.-]*"  # a number, or what some servers have beside the standard, such as 1alpha1
EVENTS = re.compile(rf"/eth/v{VERSION}/events")
DECODINGS = 4  # times that a path is decoded at most: a server before the beacon node may decode it once more


@dataclass(frozen=True, slots=True)
class Duty:
    """One kind of gated request. name: method and path with "{version}" for its number. versions: those known here.

    A GET's votes are in the answer, a POST's in its body, as a list.
    """

    name: str
    kind: MessageKind
    versions: tuple[int, ...]
    pattern: re.Pattern[str]

    @property
    def method(self) -> str:
        """GET or POST."""
        return self.name.partition(" ")[0]


def _duty(name: str, kind: MessageKind, *versions: int) -> Duty:
    path = name.partition(" ")[2].replace("{version}", f"({VERSION})").replace("{slot}", "[^/]+")
    return Duty(name, kind, versions, re.compile(path))


DUTIES = (
    _duty("GET /eth/v{version}/validator/attestation_data", MessageKind.ATTESTATION_DATA, 1),
    _duty("GET /eth/v{version}/validator/aggregate_attestation", MessageKind.AGGREGATE, 1, 2),
    _duty("GET /eth/v{version}/validator/sync_committee_contribution", MessageKind.CONTRIBUTION, 1),
    _duty("GET /eth/v{version}/validator/payload_attestation_data/{slot}", MessageKind.PAYLOAD_DATA, 1),
    _duty("POST /eth/v{version}/beacon/pool/attestations", MessageKind.ATTESTATION, 1, 2),
    _duty("POST /eth/v{version}/validator/aggregate_and_proofs", MessageKind.AGGREGATE_AND_PROOF, 1, 2),
    _duty("POST /eth/v{version}/beacon/pool/sync_committees", MessageKind.SYNC_MESSAGE, 1),
    _duty("POST /eth/v{version}/validator/contribution_and_proofs", MessageKind.CONTRIBUTION_AND_PROOF, 1),
    _duty("POST /eth/v{version}/beacon/pool/payload_attestations", MessageKind.PAYLOAD_MESSAGE, 1),
)


@dataclass(frozen=True, slots=True)
class GatedRequest:
    """A request that carries votes. known: whether its version is one whose shape is known."""

    duty: Duty
    version: int
    query: Mapping[str, list[str]]

    @property
    def known(self) -> bool:
        """False: it must be refused."""
        return self.version in self.duty.versions

    @property
    def name(self) -> str:
        """Method and path, without what differs from request to request."""
        return self.duty.name.replace("{version}", str(self.version))


def gated_request(method: str, target: str) -> GatedRequest | None:
    """The duty that a request of this method and target ("/path?query") carries out; None if it carries no votes."""
    path, _, query = target.partition("?")
    plain = _plain(path)
    for duty in DUTIES:
        if duty.method == method.upper() and (match := duty.pattern.fullmatch(plain)):
            version = int(match[1][-9:]) if match[1].isdecimal() else 0
            return GatedRequest(duty, version, parse_qs(query, keep_blank_values=True))
    return None


def is_event_stream(method: str, target: str) -> bool:
    """Whether it asks for the stream of events, on which `head` events are delayed."""
    return method.upper() == "GET" and EVENTS.fullmatch(_plain(target.partition("?")[0])) is not None


def _plain(path: str) -> str:
    """The path without percent-encoding, empty and dot segments, in lower case, without what only some servers heed."""
    segments: list[str] = []
    path = path.partition("#")[0]
    for _ in range(DECODINGS):
        path = unquote(path)
    for segment in re.split("[?#]", path)[0].replace("\\", "/").split("/"):
        name = re.split("[;\0]", segment)[0].strip().lower()
        if name == "..":
            del segments[-1:]
        elif name not in ("", "."):
            segments.append(name)
    return "/" + "/".join(segments)
