"""zkpig's prover input: `{"version", "blocks", "witness": {"state", "ancestors", "codes"}, "chainConfig", "extra"}`.

Blocks and ancestors are RPC objects. Of `extra`, pre-state and state differences are read (see `zkpig_extra`); its
access list and committed nodes repeat what is elsewhere, or follow from it. Only documents of one block: the nodes of a
second one are those of a state that exists after the first.
"""

from ..errors import WitnessFormatError
from ..model import BlockWitness
from .assembly import Parts
from .json_field import Document, as_list, as_object, as_octets_list, first_present, hex_octets, parse_json
from .rpc_block import block_to_objects, encode_block
from .rpc_header import header_to_object
from .rpc_json import headers_from_json
from .zkpig_extra import poststate_from_json, prestate_from_json

FORMAT = "zkpig_json"


def is_zkpig(document: Document) -> bool:
    """Whether a JSON object looks like zkpig's."""
    return "blocks" in document and "witness" in document


def parts_from_json(document: Document) -> Parts:
    """The parts of zkpig's document. Raises WitnessFormatError."""
    blocks = as_list(document.get("blocks"), "blocks")
    if len(blocks) != 1:
        raise WitnessFormatError(f"document has {len(blocks)} blocks, exactly one is supported")
    block = as_object(blocks[0], "blocks[0]")
    witness = as_object(document.get("witness"), "witness")
    header = as_object(block.get("header"), "blocks[0].header")
    transactions = first_present(block, ("transaction", "transactions"))
    extra = as_object({} if document.get("extra") is None else document["extra"], "extra")
    prestate, codes = None, list[bytes]()
    if extra.get("preState") is not None:
        prestate, codes = prestate_from_json(as_object(extra["preState"], "extra.preState"))
    differences = extra.get("stateDiffs")
    return Parts(
        format=FORMAT,
        block=encode_block(header, transactions, block.get("uncles"), block.get("withdrawals")),
        state=as_octets_list(witness.get("state"), "witness.state"),
        codes=as_octets_list(witness.get("codes"), "witness.codes") + codes,
        headers=headers_from_json(witness.get("ancestors"), "witness.ancestors"),
        chain_config=as_object(document.get("chainConfig"), "chainConfig"),
        prestate=prestate,
        poststate=None if differences is None else poststate_from_json(as_list(differences, "extra.stateDiffs")),
    )


def document_of(content: BlockWitness) -> Document:
    """zkpig's document without `extra`. Raises WitnessFormatError if block or headers cannot be written as objects."""
    header, transactions, uncles, withdrawals = block_to_objects(content.block)
    block: Document = {"header": header, "transaction": transactions, "uncles": uncles}
    if withdrawals is not None:
        block["withdrawals"] = withdrawals
    return {
        "version": "",
        "blocks": [block],
        "witness": {
            "state": [hex_octets(node) for node in content.witness.state],
            "ancestors": [header_to_object(encoded) for encoded in content.witness.headers],
            "codes": [hex_octets(code) for code in content.witness.codes],
        },
        "chainConfig": parse_json(content.chain_config),
    }
