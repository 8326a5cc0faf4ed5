"""The beacon node behind the attestation gate, and whether there may be another one beside the gate."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from verifier.configuration.sections import Configuration
from verifier.domain.gate import GateMode

from .clock import check_clock
from .finding import Finding, fail, ok, warn
from .peer import Peer, PeerError, one_line

SUBJECT = "beacon node"
GIVEN_UP = 4  # a common validator client gives attestation_data up after this fraction of a slot


async def check_beacon(session: aiohttp.ClientSession, values: Configuration) -> AsyncIterator[Finding]:
    """Findings on [beacon], and on what [chain] says of slots."""
    if not values.beacon.enabled:
        return
    node = Peer(session, values.beacon.url)
    try:
        answer = await node.get("/eth/v1/node/version")
        version = one_line(_data(answer.document).get("version"))
        syncing = _data((await node.get("/eth/v1/node/syncing")).document)
        genesis = _data((await node.get("/eth/v1/beacon/genesis")).document)
        spec = _data((await node.get("/eth/v1/config/spec")).document)
    except PeerError as error:
        yield fail(SUBJECT, str(error), "start it with its Beacon API there, see [beacon] url")
        return
    yield ok(SUBJECT, f"{node.shown} answers: {version}")
    for finding in check_clock(SUBJECT, answer.ahead):
        yield finding
    if syncing.get("is_syncing") is True:
        yield warn(SUBJECT, f"it is {one_line(syncing.get('sync_distance'))} slots behind", "wait")
    if syncing.get("el_offline") is True:
        listen = values.engine.listen
        yield warn(SUBJECT, "it has no execution client", f"start the sidecar, and point it at http://{listen}")
    for finding in _times(values, genesis, spec):
        yield finding


def _times(values: Configuration, genesis: dict[str, Any], spec: dict[str, Any]) -> Iterator[Finding]:
    chain = values.chain
    stated = {
        "genesis_time": _integer(genesis.get("genesis_time")),
        "seconds_per_slot": _integer(spec.get("SECONDS_PER_SLOT")),
        "slots_per_epoch": _integer(spec.get("SLOTS_PER_EPOCH")),
    }
    for name, theirs in stated.items():
        ours = getattr(chain, name)
        if ours is None and theirs is None:
            yield fail(SUBJECT, f"it does not say its {name}", f"set [chain] {name}")
        elif ours is not None and theirs is not None and ours != theirs:
            remedy = f"take [chain] {name} out of the configuration, or ask another beacon node"
            yield fail(SUBJECT, f"[chain] {name} = {ours}, the beacon node says {theirs}", remedy)
    slot = stated["seconds_per_slot"] or chain.seconds_per_slot
    if slot and values.beacon.hold_seconds > slot / GIVEN_UP:
        text = f"attestations wait up to {values.beacon.hold_seconds:g} s, validator clients a quarter of {slot} s"
        yield warn("attestation gate", text, f"set [beacon] hold_seconds to at most {slot / GIVEN_UP:g}")


def check_other_nodes(values: Configuration, beacon_nodes: Sequence[str]) -> Iterator[Finding]:
    """Whether the validator client may get around the gate. beacon_nodes: the URLs that it was started with, if told.

    A validator client with a second, ungated beacon node turns our refusal into attesting the bad chain.
    """
    subject = "other beacon nodes"
    if not values.beacon.enabled:
        text = "the attestation gate is off: SYNCING alone does not keep validators from attesting"
        yield warn(subject, text, "set [beacon] enabled = true")
        return
    if values.mode.gate is GateMode.MONITOR:
        yield ok(subject, "in monitor mode nothing is gated")
        return
    gate = values.beacon.listen
    if not beacon_nodes:
        text = f"what the validator client was started with cannot be seen from here; it may know the gate {gate} only"
        remedy = "tell doctor: --validator-beacon-nodes with the value of its --beacon-nodes (or its like)"
        yield warn(subject, text, remedy)
        return
    others = [each for each in beacon_nodes if not _is_gate(each, gate.port)]
    if others:
        text = f"{len(others)} of {len(beacon_nodes)} is not the gate {gate}: what it refuses, the other one allows"
        yield fail(subject, text, "put a sidecar before every beacon node, or take the others out")
    else:
        yield ok(subject, "the validator client asks the gate alone")


def _is_gate(url: str, port: int) -> bool:
    try:
        return urlsplit(url if "//" in url else f"//{url}").port == port
    except ValueError:
        return False


def _data(document: Any) -> dict[str, Any]:
    data = document.get("data") if isinstance(document, dict) else None
    return data if isinstance(data, dict) else {}


def _integer(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None
