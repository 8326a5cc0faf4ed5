"""One block with its witness and what its source says about it, in two shapes.

Common: `chainId`, `number`, `fork`, `source`, `notes`, `proofFormat`, `parentStateRoot`, and `witness`: `{"headers",
"state", "codes", "keys"?, "blockHashes"?}`, headers as RLP or as objects. The block is either `block` (RLP) with
`blockHash` and `expect`, or `header`, `transactions`, `uncles`, `withdrawals` as RPC objects. `chainConfig` may be
there. `blockHashes` are those of ancestors: a list with the parent's first, or an object by decimal number.

`parentStateRoot` and `blockHashes` become claims unless the headers prove them.
"""

from collections.abc import Mapping, Sequence

from ..errors import WitnessFormatError
from ..header import HASH_LENGTH
from ..model import BlockWitness
from .assembly import Parts, expected_results
from .json_field import (
    Document,
    as_list,
    as_object,
    as_octets,
    as_octets_list,
    as_quantity,
    first_present,
    hex_octets,
    parse_json,
)
from .rpc_block import encode_block
from .rpc_json import headers_from_json

FORMAT = "block_json"
MARKS = ("header", "expect", "parentStateRoot", "proofFormat", "fork")  # fields that `rpc_json` does not have


def is_block_json(document: Document) -> bool:
    """Whether a JSON object looks like one of these, and not like `rpc_json`."""
    return "witness" in document and any(mark in document for mark in MARKS)


def parts_from_json(document: Document) -> Parts:
    """The parts of a document in either shape. Raises WitnessFormatError."""
    witness = as_object(document.get("witness"), "witness")
    if "header" in document:
        header = as_object(document["header"], "header")
        bodies = (document.get(name) for name in ("transactions", "uncles", "withdrawals"))
        block = encode_block(header, *bodies)
    elif "block" in document:
        block = as_octets(document["block"], "block")
    else:
        raise WitnessFormatError("document has neither block nor header")
    root, config, stated = (document.get(name) for name in ("parentStateRoot", "chainConfig", "blockHash"))
    return Parts(
        format=FORMAT,
        block=block,
        state=as_octets_list(witness.get("state"), "witness.state"),
        codes=as_octets_list(witness.get("codes"), "witness.codes"),
        headers=headers_from_json(witness.get("headers"), "witness.headers"),
        block_hash=None if stated is None else as_octets(stated, "blockHash", HASH_LENGTH),
        number=None if document.get("number") is None else as_quantity(document["number"], "number"),
        chain_id=None if document.get("chainId") is None else as_quantity(document["chainId"], "chainId"),
        chain_config=None if config is None else as_object(config, "chainConfig"),
        parent_state_root=None if root is None else as_octets(root, "parentStateRoot", HASH_LENGTH),
        block_hashes=_block_hashes(witness.get("blockHashes")),
        expected=expected_results(as_object(document.get("expect") or {}, "expect")),
        source=", ".join(
            _text(document, names) for names in (("source",), ("origin", "file")) if _text(document, names)
        ),
        notes=_text(document, ("notes",)),
    )


def _block_hashes(value: object) -> Sequence[bytes] | Mapping[int, bytes]:
    name = "witness.blockHashes"
    if not isinstance(value, dict):
        return [as_octets(each, f"{name}[{index}]", HASH_LENGTH) for index, each in enumerate(as_list(value, name))]
    if not all(number.isascii() and number.isdecimal() and len(number) < 20 for number in value):
        raise WitnessFormatError(f"{name} has a key that is no block number")
    return {int(number): as_octets(each, f"{name}.{number}", HASH_LENGTH) for number, each in value.items()}


def _text(document: Document, names: tuple[str, ...]) -> str:
    value = first_present(document, names)
    return value if isinstance(value, str) else ""


def document_of(content: BlockWitness) -> Document:
    """The document in its first shape, with `chainConfig`, without free text; claimed block hashes by number."""
    claims = as_object(parse_json(content.claims), "claims") if content.claims is not None else {}
    expected = as_object(parse_json(content.expected), "expected") if content.expected is not None else {}
    witness: Document = {
        "headers": [hex_octets(header) for header in content.witness.headers],
        "state": [hex_octets(node) for node in content.witness.state],
        "codes": [hex_octets(code) for code in content.witness.codes],
        "keys": [],
        "blockHashes": claims.get("blockHashes"),
    }
    return {
        "chainId": content.chain_id,
        "number": content.number,
        "block": hex_octets(content.block),
        "blockHash": hex_octets(content.hash),
        "chainConfig": parse_json(content.chain_config),
        "parentStateRoot": claims.get("parentStateRoot"),
        "witness": witness,
        "expect": expected,
    }
