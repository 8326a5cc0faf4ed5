"""`blockchain_tests_engine` of execution-spec-tests: Engine API payloads, turned into the RLP of blocks."""

from typing import Any

from witness.chain_config import FORKS, ChainConfig
from witness.errors import WitnessFormatError
from witness.formats.engine_payload import decode_engine_payload

from .blockchain_test import BlockchainTest, FixtureBlock, genesis_of
from .document import mapping, octets, quantity, sequence, text
from .errors import FixtureError

HASH_LENGTH = 32
ERROR_CODE = "Engine API error"
# Version of engine_newPayload → the first and the last fork whose payloads it takes (execution-apis, `engine/*.md`).
CALLS = {
    1: ("frontier", "paris"),
    2: ("frontier", "shanghai"),
    3: ("cancun", "cancun"),
    4: ("prague", "bpo5"),
    5: ("amsterdam", "amsterdam"),
}


def _block(value: Any, index: int, config: ChainConfig) -> FixtureBlock:
    where = f"engineNewPayloads[{index}]"
    entry = mapping(value, where)
    parameters = sequence(entry.get("params"), f"{where}.params")
    stated = entry.get("validationError")
    exception = None if stated is None else text(stated, f"{where}.validationError")
    code = entry.get("errorCode")
    if exception is None and code is not None:
        exception = f"{ERROR_CODE} {str(code)[:20]}"
    version = quantity(entry.get("newPayloadVersion"), f"{where}.newPayloadVersion")
    try:
        payload = decode_engine_payload(version, parameters)
    except WitnessFormatError as error:
        if exception is None:
            raise FixtureError(f"{where}: {error}") from None
        return FixtureBlock(b"", exception, misfit=str(error))  # as the fixture wants it
    misfit = payload.misfit
    if code is not None and not misfit:
        misfit = _version_misfit(version, config.fork_at(payload.header))
    return FixtureBlock(payload.block, exception, payload.stated_hash, misfit)


def _version_misfit(version: int, fork: str) -> str:
    """Why a call of this version is refused for a block of the fork, "" if it is not (error -38005)."""
    first, last = CALLS[version]
    if FORKS.index(first) <= FORKS.index(fork) <= FORKS.index(last):
        return ""
    return f"engine_newPayloadV{version} is not for {fork}"


def parse_engine_test(name: str, value: Any) -> BlockchainTest:
    """One test out of a parsed file. Raises FixtureError.

    A payload whose blockHash is not the hash of its block keeps both: `encoded`, and `stated_hash`. One that is no
    payload at all, where the fixture expects an error, has no `encoded`.
    """
    test = mapping(value, "test")
    network = text(test.get("network"), "network")
    payloads = sequence(test.get("engineNewPayloads"), "engineNewPayloads")
    last = test.get("lastblockhash")
    genesis = genesis_of(test, network)
    return BlockchainTest(
        name=name,
        network=network,
        genesis=genesis,
        blocks=tuple(_block(entry, index, genesis.config) for index, entry in enumerate(payloads)),
        last_block_hash=None if last is None else octets(last, "lastblockhash", HASH_LENGTH),
    )
