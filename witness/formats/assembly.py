"""From the parts that a source document holds to one block with its witness: bound, sorted, and honest about the rest.

What the block's hash binds is checked. What the source only asserts goes to the claims (a pre-state root without the
parent's header, bare block hashes) or to the expected results, never into the witness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..chain_config import ChainConfig, encode_chain_config, known_chain_config, parse_chain_config
from ..errors import ChainConfigError, EncodingError, WitnessFormatError
from ..header import decode_block_header, decode_header, keccak256
from ..model import BlockWitness, Header, Octets, PostState, PreState, Witness
from ..prestate import encode_poststate, encode_prestate
from ..rlp_item import list_items
from .json_field import Document, as_octets, as_quantity, canonical_json, hex_octets, hex_quantity

IMPORTER = "verifier witness import"
IMPORTER_VERSION = "2"  # goes up when the same source gives other bytes
EXPECTED_OCTETS = {  # name, length in bytes
    "stateRoot": 32,
    "receiptsRoot": 32,
    "logsBloom": 256,
    "transactionsRoot": 32,
    "withdrawalsRoot": 32,
    "requestsHash": 32,
}
EXPECTED_QUANTITIES = ("gasUsed", "blobGasUsed")
TYPED_TRANSACTIONS = range(1, 0x80)  # first byte of an EIP-2718 transaction; its chain id comes first in all known ones


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a document holds. headers: RLP, in any order. block_hash, number, chain_id: as stated; None where not.

    block_hashes: of ancestors, the parent's first, or by number. expected: as the expected section wants it. source,
    notes: free text on where the document comes from. prestate, poststate: the source's word on the state.
    """

    format: str
    block: bytes
    state: Sequence[Octets]
    codes: Sequence[Octets]
    headers: Sequence[Octets]
    block_hash: bytes | None = None
    number: int | None = None
    chain_id: int | None = None
    chain_config: Document | None = None
    parent_state_root: bytes | None = None
    block_hashes: Sequence[bytes] | Mapping[int, bytes] = ()
    expected: Document = field(default_factory=dict)
    source: str = ""
    notes: str = ""
    prestate: PreState | None = None
    poststate: PostState | None = None


def assemble(parts: Parts, chain_config: bytes | None = None) -> BlockWitness:
    """The block and witness that `parts` make. The hash is the one of the block's header, whatever the source states.

    chain_config: geth-genesis config JSON, used if the source names no other chain. Else the source's own config is
    taken, else that of a well-known chain. Raises WitnessFormatError if the parts contradict one another, and
    ChainConfigError.
    """
    try:
        header = decode_block_header(parts.block)
    except EncodingError as error:
        raise WitnessFormatError(f"block: {error}") from None
    if parts.block_hash is not None and parts.block_hash != header.hash:
        raise WitnessFormatError(
            f"block hash is stated as {hex_octets(parts.block_hash)}, the block has {hex_octets(header.hash)}"
        )
    if parts.number is not None and parts.number != header.number:
        raise WitnessFormatError(f"block number is stated as {parts.number}, the block has {header.number}")
    ancestors = _ancestors(parts.headers, header)
    config = _chain_config(parts, chain_config)
    claims = _claims(parts, header, ancestors)
    producer = {"name": IMPORTER, "version": IMPORTER_VERSION, "source": f"{parts.format}: {parts.source}".strip(": ")}
    if parts.notes:
        producer["notes"] = parts.notes
    return BlockWitness(
        chain_id=config.chain_id,
        number=header.number,
        hash=header.hash,
        block=parts.block,
        witness=Witness(
            state=sorted({bytes(node) for node in parts.state}),
            codes=sorted({bytes(code) for code in parts.codes}),
            headers=ancestors,
        ),
        chain_config=encode_chain_config(config.document),
        prestate=None if parts.prestate is None else encode_prestate(parts.prestate),
        poststate=None if parts.poststate is None else encode_poststate(parts.poststate),
        expected=canonical_json(parts.expected) if parts.expected else None,
        producer=canonical_json(producer),
        claims=canonical_json(claims) if claims else None,
    )


def expected_results(document: Document, name: str = "expect") -> Document:
    """The fields of `document` that the expected section knows, in its form; null and other fields are left out."""
    results: Document = {}
    for key, length in EXPECTED_OCTETS.items():
        if document.get(key) is not None:
            results[key] = hex_octets(as_octets(document[key], f"{name}.{key}", length))
    for key in EXPECTED_QUANTITIES:
        if document.get(key) is not None:
            results[key] = hex_quantity(as_quantity(document[key], f"{name}.{key}"))
    return results


def _ancestors(headers: Sequence[Octets], block: Header) -> list[bytes]:
    """RLP of the ancestor headers, ascending. The block's own header, which some sources add, is dropped.

    Whether they form the block's chain is for the clients and for `witness.check` to say.
    """
    ancestors: dict[int, bytes] = {}
    for encoded in headers:
        try:
            header = decode_header(encoded)
        except EncodingError as error:
            raise WitnessFormatError(f"witness header: {error}") from None
        if header.hash != block.hash and ancestors.setdefault(header.number, bytes(encoded)) != encoded:
            raise WitnessFormatError(f"two different witness headers have number {header.number}")
    return [ancestors[number] for number in sorted(ancestors)]


def _claims(parts: Parts, block: Header, ancestors: Sequence[bytes]) -> Document:
    """What the source asserts and neither the block's hash nor the witness proves."""
    claims: Document = {}
    by_hash = {keccak256(encoded): encoded for encoded in ancestors}
    parent = by_hash.get(block.parent_hash)
    if parts.parent_state_root is not None:
        if parent is None:
            claims["parentStateRoot"] = hex_octets(parts.parent_state_root)
        elif decode_header(parent).state_root != parts.parent_state_root:
            raise WitnessFormatError("parentStateRoot is stated, and is not that of the parent's header")
    proven = _proven_hashes(block, by_hash)
    asserted = parts.block_hashes
    if not isinstance(asserted, Mapping):
        asserted = dict(zip(range(block.number - 1, -1, -1), asserted, strict=False))
    for number, hash_ in asserted.items():
        if proven.get(number, hash_) != hash_:
            raise WitnessFormatError(f"block hash of {number} is stated, and is not that of the block's ancestor")
    unproven = {str(number): hex_octets(hash_) for number, hash_ in asserted.items() if number not in proven}
    if unproven:
        claims["blockHashes"] = unproven
    return claims


def _proven_hashes(block: Header, by_hash: Mapping[bytes, bytes]) -> dict[int, bytes]:
    """The hashes of ancestors by number, as far down as the chain of parent hashes goes without a gap."""
    proven: dict[int, bytes] = {}
    parent_hash, number = block.parent_hash, block.number - 1
    while number >= 0:
        proven[number] = parent_hash
        encoded = by_hash.get(parent_hash)
        if encoded is None:
            break
        parent_hash, number = decode_header(encoded).parent_hash, number - 1
    return proven


def _chain_config(parts: Parts, argument: bytes | None) -> ChainConfig:
    own = None if parts.chain_config is None else parse_chain_config(encode_chain_config(parts.chain_config))
    given = None if argument is None else parse_chain_config(argument)
    chain_id = parts.chain_id
    if chain_id is None:
        chain_id = own.chain_id if own is not None else _chain_id_of_transactions(parts.block)
    elif own is not None and own.chain_id != chain_id:
        raise WitnessFormatError(f"chain id is stated as {chain_id}, the chain config says {own.chain_id}")
    if given is not None and chain_id in (None, given.chain_id):
        return given
    if own is not None:
        return own
    if chain_id is None:
        raise ChainConfigError(
            "neither the document nor a transaction in it says which chain it is of; give its config"
        )
    return parse_chain_config(known_chain_config(chain_id))


def _chain_id_of_transactions(block: bytes) -> int | None:
    """The chain id that the first typed transaction of a block names: it is invalid on any other chain."""
    try:
        _, at, _, stop = list_items(block)[1]
        for nested, _, start, end in list_items(block[at:stop]):
            transaction = block[at + start : at + end]
            if not nested and len(transaction) and transaction[0] in TYPED_TRANSACTIONS:
                _, _, first, last = list_items(transaction[1:])[0]
                return int.from_bytes(transaction[1 + first : 1 + last], "big")
    except (EncodingError, IndexError):
        pass  # the block is broken; that is for the clients to say
    return None
