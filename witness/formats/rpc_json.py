"""The answer of `debug_executionWitness`, with the block it is of.

Two shapes of one object `{"state", "codes", "keys", "headers"}`: geth gives headers as objects, reth, ethrex and nimbus
as RLP. The answer does not hold the block, so either

- one document `{"block": …, "witness": …, "chainId"?, "chainConfig"?, "blockHash"?}`, or
- the bare answer, and the block in a file of its own beside it (see `loading`).

`block` is RLP as a `0x…` string or a block object of `eth_getBlockByNumber(…, true)`; `witness` is the answer, or
geth's RLP as a `0x…` string. Whole JSON-RPC responses (`{"jsonrpc", "result"}`) are taken in both places.
"""

from typing import Any, Literal

from ..errors import WitnessFormatError
from ..header import HASH_LENGTH
from ..model import BlockWitness, Witness
from .assembly import Parts
from .geth_rlp import decode_witness_rlp
from .json_field import (
    Document,
    as_list,
    as_object,
    as_octets,
    as_octets_list,
    as_quantity,
    hex_octets,
    parse_json,
)
from .rpc_block import block_from_json
from .rpc_header import header_from_object, header_to_object

FORMAT = "rpc_json"


def unwrapped(document: Any) -> Any:
    """The result of a JSON-RPC response, or the document itself if it is none. Raises WitnessFormatError."""
    if isinstance(document, dict) and "jsonrpc" in document:
        if document.get("error") is not None:
            raise WitnessFormatError(f"a JSON-RPC error: {document['error']}")
        return document.get("result")
    return document


def witness_from_json(value: Any, name: str = "witness") -> Witness:
    """The witness in either shape, or in geth's RLP as a `0x…` string; headers in the order found.

    Raises WitnessFormatError.
    """
    value = unwrapped(value)
    if isinstance(value, str):
        return decode_witness_rlp(as_octets(value, name))
    document = as_object(value, name)
    if "state" not in document:
        raise WitnessFormatError(f"{name}.state is missing")
    return Witness(
        state=as_octets_list(document["state"], f"{name}.state"),
        codes=as_octets_list(document.get("codes"), f"{name}.codes"),
        headers=headers_from_json(document.get("headers"), f"{name}.headers"),
    )


def headers_from_json(value: Any, name: str) -> list[bytes]:
    """RLP of headers that are given as objects, as RLP strings, or mixed. Raises WitnessFormatError."""
    return [
        as_octets(element, f"{name}[{index}]")
        if isinstance(element, str)
        else header_from_object(as_object(element, f"{name}[{index}]"), f"{name}[{index}]")
        for index, element in enumerate(as_list(value, name))
    ]


def is_witness(document: Any) -> bool:
    """Whether a JSON value looks like a bare witness."""
    return isinstance(document, dict) and "state" in document and "codes" in document


def parts_from_json(document: Document) -> Parts:
    """The parts of a document with block and witness. Raises WitnessFormatError."""
    witness = witness_from_json(document.get("witness"))
    chain_id, config, stated = (document.get(name) for name in ("chainId", "chainConfig", "blockHash"))
    return Parts(
        format=FORMAT,
        block=block_from_json(document.get("block")),
        state=witness.state,
        codes=witness.codes,
        headers=witness.headers,
        chain_id=None if chain_id is None else as_quantity(chain_id, "chainId"),
        chain_config=None if config is None else as_object(config, "chainConfig"),
        block_hash=None if stated is None else as_octets(stated, "blockHash", HASH_LENGTH),
    )


def document_of(content: BlockWitness, *, headers: Literal["objects", "rlp"] = "rlp") -> Document:
    """The document with block, witness and chain config; headers: geth's shape or that of the others.

    Raises WitnessFormatError if a header cannot be written as an object.
    """
    witness = content.witness
    return {
        "chainId": content.chain_id,
        "chainConfig": parse_json(content.chain_config),
        "blockHash": hex_octets(content.hash),
        "block": hex_octets(content.block),
        "witness": {
            "state": [hex_octets(node) for node in witness.state],
            "codes": [hex_octets(code) for code in witness.codes],
            "keys": [],
            "headers": [
                header_to_object(each) if headers == "objects" else hex_octets(each) for each in witness.headers
            ],
        },
    }
