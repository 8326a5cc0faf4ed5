"""Calls, answers and policies that the tests of the engine gate share."""

from typing import Any

import pytest

from tests.verifier.engine.gate_harness import (
    HEADER,
    Harness,
    forkchoice,
    new_payload,
    status,
    verified,
)
from verifier.engine.hold import HoldPolicy

NEW_PAYLOAD, FORKCHOICE = "engine_newPayloadV2", "engine_forkchoiceUpdatedV2"
HASH = HEADER.hash
VALID = status("VALID", HASH)
SHORT = HoldPolicy(payload_seconds=0.02, forkchoice_seconds=0.02)  # where the execution client does not answer
BOTH = {
    NEW_PAYLOAD: VALID,
    FORKCHOICE: {"payloadStatus": VALID, "payloadId": "0x0102030405060708"},
}


def payload_status(answer: Any) -> Any:
    result = answer["result"]
    return result.get("payloadStatus", result)


ASKED = [pytest.param(new_payload(5), id="newPayload"), pytest.param(forkchoice(HASH, id_=5), id="forkchoiceUpdated")]


def judged_verified(built: Harness) -> None:
    built.judge.on_executed = lambda header: built.chain.decide(header.hash, verified(header.hash))


def changed(parameters: list[Any], **fields: Any) -> list[Any]:
    return [{**parameters[0], **fields}, *parameters[1:]]
