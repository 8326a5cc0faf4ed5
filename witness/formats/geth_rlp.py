"""geth's `ExtWitness`: RLP `[headers, codes, state, keys]`, as `engine_newPayloadWithWitness` answers it.

Headers stand ascending by number, codes and nodes sorted. It holds no block. Source: go-ethereum core/stateless.
"""

from ..errors import EncodingError, WitnessFormatError
from ..model import Octets, Witness
from ..rlp_encoding import encode_list, encode_string
from ..rlp_item import list_items

FORMAT = "geth_rlp"


def decode_witness_rlp(data: Octets) -> Witness:
    """The witness in geth's RLP; its parts are slices of `data`, headers in the order found. Raises WitnessFormatError.

    The keys, a list of the preimages that geth may add, are not kept: no client asks for them. They may be left out.
    """
    try:
        lists = list_items(data)
        if len(lists) not in (3, 4) or not all(nested for nested, *_ in lists):
            raise WitnessFormatError("not geth's witness: three or four lists expected")
        headers, codes, state = (_items(data[at:stop]) for _, at, _, stop in lists[:3])
    except EncodingError as error:
        raise WitnessFormatError(f"not geth's witness: {error}") from None
    if not all(nested for nested, _, _ in headers) or any(nested for nested, _, _ in [*codes, *state]):
        raise WitnessFormatError("not geth's witness: headers are lists, codes and nodes are strings")
    return Witness(
        state=[payload for _, _, payload in state],
        codes=[payload for _, _, payload in codes],
        headers=[encoded for _, encoded, _ in headers],
    )


def _items(data: Octets) -> list[tuple[bool, Octets, Octets]]:
    """Of each item of a list: whether it is a list, its RLP, its payload."""
    return [(nested, data[at:stop], data[start:stop]) for nested, at, start, stop in list_items(data)]


def encode_witness_rlp(witness: Witness) -> bytes:
    """geth's RLP of a witness: nodes and codes unique and sorted, headers in the order given (ascending), no keys."""
    return encode_list(
        encode_list(b"".join(bytes(header) for header in witness.headers))
        + encode_list(b"".join(encode_string(code) for code in sorted({bytes(code) for code in witness.codes})))
        + encode_list(b"".join(encode_string(node) for node in sorted({bytes(node) for node in witness.state})))
        + encode_list(b"")
    )
