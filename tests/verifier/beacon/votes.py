"""A beacon node with three heads, and where votes about them are asked for and handed in."""

from typing import Any

from aiohttp import web

from verifier.services.chain_view import FakeChainView

from .beacon_node import FakeBeaconNode, json_answer
from .messages import data_json, root
from .reports import invalid, undecided, verified

# Beacon blocks 1 to 3 and the execution blocks in them: 1 is verified, 2 undecided, 3 invalid.
BLOCKS = {root(number): root(100 + number) for number in (1, 2, 3)}
DATA = "/eth/v1/validator/attestation_data"
POOL = "/eth/v2/beacon/pool/attestations"
SYNC = "/eth/v1/beacon/pool/sync_committees"


def chain() -> FakeChainView:
    return FakeChainView(
        {root(101): verified(root(101)), root(102): undecided(root(102)), root(103): invalid(root(103))}
    )


def node(**answers: Any) -> FakeBeaconNode:
    return FakeBeaconNode(blocks=BLOCKS)


def data_answer(head: int, target: int = 1) -> web.Response:
    return json_answer({"data": data_json(root(head), root(target))})
