"""`blockchain_tests_engine` of execution-spec-tests: Engine API payloads, turned into the RLP of blocks."""

from hashlib import sha256
from typing import Any

from witness.header import keccak256
from witness.rlp_encoding import encode_item, encode_list, encode_string
from witness.trie import list_root

from .blockchain_test import BlockchainTest, FixtureBlock, genesis_of
from .document import integer_octets, mapping, octets, quantity, sequence, text
from .errors import FixtureError
from .genesis import EMPTY_LIST_HASH

HASH_LENGTH, ADDRESS_LENGTH, BLOOM_LENGTH, NONCE_LENGTH = 32, 20, 256, 8
RLP_LIST = b"\xc0"  # a transaction that starts below is typed (EIP-2718): bytes within the list, not a list
# Positions in the parameters of engine_newPayloadV3 and V4.
BEACON_ROOT, REQUESTS = 2, 3


def requests_hash(requests: tuple[bytes, ...]) -> bytes:
    """EIP-7685: over the requests as the Engine API gives them (type byte first, empty ones left out)."""
    return sha256(b"".join(sha256(request).digest() for request in requests)).digest()


def _withdrawal(value: Any, where: str) -> bytes:
    entry = mapping(value, where)
    return encode_item(
        [
            integer_octets(quantity(entry.get("index"), f"{where}.index")),
            integer_octets(quantity(entry.get("validatorIndex"), f"{where}.validatorIndex")),
            octets(entry.get("address"), f"{where}.address", ADDRESS_LENGTH),
            integer_octets(quantity(entry.get("amount"), f"{where}.amount")),
        ]
    )


def payload_block(parameters: list[Any]) -> bytes:
    """The block's RLP from the parameters of an engine_newPayload call. Raises FixtureError."""
    if not parameters:
        raise FixtureError("params: empty")
    payload = mapping(parameters[0], "payload")

    def word(key: str, length: int) -> bytes:
        return octets(payload.get(key), key, length)

    def number(key: str) -> bytes:
        return integer_octets(quantity(payload.get(key), key))

    transactions = tuple(octets(item, "transactions") for item in sequence(payload.get("transactions"), "transactions"))
    fields: list[bytes] = [
        word("parentHash", HASH_LENGTH),
        EMPTY_LIST_HASH,
        word("feeRecipient", ADDRESS_LENGTH),
        word("stateRoot", HASH_LENGTH),
        list_root(transactions),
        word("receiptsRoot", HASH_LENGTH),
        word("logsBloom", BLOOM_LENGTH),
        b"",
        number("blockNumber"),
        number("gasLimit"),
        number("gasUsed"),
        number("timestamp"),
        octets(payload.get("extraData"), "extraData"),
        word("prevRandao", HASH_LENGTH),
        bytes(NONCE_LENGTH),
        number("baseFeePerGas"),
    ]
    listed = b"".join(item if item[:1] >= RLP_LIST else encode_string(item) for item in transactions)
    body = [encode_list(listed), encode_list(b"")]
    if payload.get("withdrawals") is not None:
        entries = sequence(payload["withdrawals"], "withdrawals")
        withdrawals = tuple(_withdrawal(entry, f"withdrawals[{index}]") for index, entry in enumerate(entries))
        fields.append(list_root(withdrawals))
        body.append(encode_list(b"".join(withdrawals)))
    if "blobGasUsed" in payload:
        fields += [number("blobGasUsed"), number("excessBlobGas")]
    if len(parameters) > BEACON_ROOT:
        fields.append(octets(parameters[BEACON_ROOT], "parentBeaconBlockRoot", HASH_LENGTH))
    if len(parameters) > REQUESTS:
        requests = sequence(parameters[REQUESTS], "executionRequests")
        fields.append(requests_hash(tuple(octets(item, "executionRequests") for item in requests)))
    if "blockAccessList" in payload:
        fields.append(keccak256(octets(payload["blockAccessList"], "blockAccessList")))
    return encode_list(encode_item([*fields]) + b"".join(body))


def _block(value: Any, index: int) -> FixtureBlock:
    where = f"engineNewPayloads[{index}]"
    entry = mapping(value, where)
    parameters = sequence(entry.get("params"), f"{where}.params")
    exception = entry.get("validationError")
    if exception is None and "errorCode" in entry:
        exception = f"Engine API error {entry['errorCode']}"
    try:
        encoded = payload_block(parameters)
        stated = octets(mapping(parameters[0], "payload").get("blockHash"), "blockHash", HASH_LENGTH)
    except FixtureError as error:
        raise FixtureError(f"{where}: {error}") from None
    return FixtureBlock(
        encoded=encoded,
        exception=None if exception is None else text(exception, f"{where}.validationError"),
        stated_hash=stated,
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
