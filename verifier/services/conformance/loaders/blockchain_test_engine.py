"""`blockchain_tests_engine` of execution-spec-tests: Engine API payloads, turned into the RLP of blocks."""

from typing import Any

from witness.errors import WitnessFormatError
from witness.formats.engine_payload import decode_engine_payload

from .blockchain_test import BlockchainTest, FixtureBlock, genesis_of
from .document import mapping, octets, quantity, sequence, text
from .errors import FixtureError

HASH_LENGTH = 32


def _block(value: Any, index: int) -> FixtureBlock:
    where = f"engineNewPayloads[{index}]"
    entry = mapping(value, where)
    parameters = sequence(entry.get("params"), f"{where}.params")
    exception = entry.get("validationError")
    if exception is None and "errorCode" in entry:
        exception = f"Engine API error {entry['errorCode']}"
    version = quantity(entry.get("newPayloadVersion"), f"{where}.newPayloadVersion")
    try:
        payload = decode_engine_payload(version, parameters)
    except WitnessFormatError as error:
        raise FixtureError(f"{where}: {error}") from None
    return FixtureBlock(
        encoded=payload.block,
        exception=None if exception is None else text(exception, f"{where}.validationError"),
        stated_hash=payload.stated_hash,
    )


def parse_engine_test(name: str, value: Any) -> BlockchainTest:
    """One test out of a parsed file. Raises FixtureError.

    A payload whose blockHash is not the hash of its block keeps both: `encoded`, and `stated_hash`.
    """
    test = mapping(value, "test")
    network = text(test.get("network"), "network")
    payloads = sequence(test.get("engineNewPayloads"), "engineNewPayloads")
    last = test.get("lastblockhash")
    return BlockchainTest(
        name=name,
        network=network,
        genesis=genesis_of(test, network),
        blocks=tuple(_block(entry, index) for index, entry in enumerate(payloads)),
        last_block_hash=None if last is None else octets(last, "lastblockhash", HASH_LENGTH),
    )
