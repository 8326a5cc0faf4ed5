"""Blocks of every transaction type, and damage to documents, as hypothesis strategies."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.witness.examples import chain, header_rlp
from witness.chain_config import encode_chain_config
from witness.header import block_header_rlp, keccak256
from witness.model import BlockWitness, Witness
from witness.rlp_encoding import Item, encode_integer, encode_item, encode_list
from witness.trie import list_root

quantities = st.integers(0, 2**64 - 1).map(encode_integer)
words = st.integers(0, 2**256 - 1).map(encode_integer)
addresses = st.binary(min_size=20, max_size=20)
recipients = st.just(b"") | addresses
hashes = st.binary(min_size=32, max_size=32)
inputs = st.binary(max_size=80)
access_lists = st.lists(st.tuples(addresses, st.lists(hashes, max_size=2)).map(list), max_size=2)
parities = st.integers(0, 1).map(encode_integer)
authorizations = st.tuples(quantities, addresses, quantities, parities, words, words).map(list)
CHAIN_ID = 7


def fields(*strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Item]]:
    return st.tuples(*strategies).map(list)


chain_ids = st.just(encode_integer(CHAIN_ID))
common = (quantities, recipients, words, inputs, access_lists)  # gas, to, value, input, access list
signature = (parities, words, words)
fees = (words, words)
legacy = fields(quantities, words, quantities, recipients, words, inputs, quantities, words, words)
typed = {
    1: fields(chain_ids, quantities, words, *common, *signature),
    2: fields(chain_ids, quantities, *fees, *common, *signature),
    3: fields(chain_ids, quantities, *fees, *common, words, st.lists(hashes, max_size=3), *signature),
    4: fields(chain_ids, quantities, *fees, *common, st.lists(authorizations, max_size=2), *signature),
}
transactions: st.SearchStrategy[Item] = st.one_of(
    legacy,
    *(
        strategy.map(lambda items, kind=kind: bytes([kind]) + encode_item(items))  # type: ignore[misc]
        for kind, strategy in typed.items()
    ),
)
withdrawals = fields(quantities, quantities, addresses, quantities)
nodes = st.lists(st.binary(min_size=1, max_size=60), max_size=5, unique=True).map(sorted)


def encoded_transaction(item: Item) -> bytes:
    """A transaction as its trie holds it."""
    return encode_item(item) if isinstance(item, list) else bytes(item)


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    """The RLP of a Shanghai block with a body that its header names, number 10."""
    body: list[Item] = draw(st.lists(transactions, max_size=5))
    withdrawn: list[Item] = draw(st.lists(withdrawals, max_size=3))
    uncles = draw(st.integers(0, 1).map(lambda count: chain(count, 9)))
    header = header_rlp(
        parent_hash=keccak256(chain(3, 7)[-1]),
        number=10,
        extra_data=draw(st.binary(max_size=32)),
        difficulty=draw(st.integers(0, 2**70)),
        transactions_root=list_root([encoded_transaction(item) for item in body]),
        uncles_hash=keccak256(encode_list(b"".join(uncles))),
        withdrawals_root=list_root([encode_item(item) for item in withdrawn]),
    )
    return encode_list(header + encode_item(body) + encode_list(b"".join(uncles)) + encode_item(withdrawn))


@st.composite
def contents(draw: st.DrawFn) -> BlockWitness:
    """A block with some nodes, codes and up to three ancestors."""
    block = draw(blocks())
    headers = chain(3, 7)[draw(st.integers(0, 3)) :]
    return BlockWitness(
        chain_id=CHAIN_ID,
        number=10,
        hash=header_hash(block),
        block=block,
        witness=Witness(state=draw(nodes), codes=draw(nodes), headers=headers),
        chain_config=encode_chain_config({"chainId": CHAIN_ID, "londonBlock": draw(st.integers(0, 20))}),
    )


def header_hash(block: bytes) -> bytes:
    """The hash of the header in a block's RLP."""
    return keccak256(block_header_rlp(block))


json_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2**70),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(["0x", "0x0", "0x1", "0xzz", "0x 1", "0x" + "00" * 32, [], {}, ["0x00"], [[]], [{}], [None]]),
)


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> Any:
    """A copy of a JSON document in which one value, anywhere, is another one or gone."""
    copy = json.loads(json.dumps(document))
    places = list(_places(copy))
    container, key = draw(st.sampled_from(places))
    if draw(st.booleans()):
        container[key] = draw(json_values)
    elif isinstance(container, dict):
        del container[key]
    else:
        container.pop(key)
    return copy


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield value, key
        yield from _places(each)


def without_producer(content: BlockWitness) -> tuple[object, ...]:
    """What an import must keep: everything but who wrote it."""
    witness = content.witness
    return (
        *(content.chain_id, content.number, content.hash, bytes(content.block), bytes(content.chain_config)),
        *([bytes(each) for each in part] for part in (witness.state, witness.codes, witness.headers)),
        *(None if part is None else bytes(part) for part in (content.expected, content.claims)),
    )
