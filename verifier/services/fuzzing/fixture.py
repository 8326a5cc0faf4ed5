"""A generated block as a BlockchainTest of ethereum/tests' form, which every client's own tools read too."""

import json
from collections.abc import Mapping
from typing import Any

from verifier.domain.conformance import Expected
from verifier.executors.stateful.embedded.initial_state import build_genesis
from verifier.services.conformance.case import Case
from verifier.services.conformance.loaders.blockchain_test import HEADER_KEYS
from verifier.services.conformance.loaders.document import integer_octets
from witness.errors import EncodingError
from witness.header import decode_block_header, keccak256
from witness.rlp_item import list_items


def fixture(case: Case, info: Mapping[str, Any]) -> bytes:
    """The file. info: goes into `_info`. What an invalid block is invalid for is left open."""
    assert case.genesis is not None, "a generated block has one"
    genesis, _ = build_genesis(case.genesis)
    (block,) = case.blocks
    entry: dict[str, Any] = {"rlp": _hex(block.encoded)}
    last = keccak256(genesis)
    if block.expected is Expected.VALID:
        last = decode_block_header(block.encoded).hash
        entry |= {"blockHeader": _header(_block_header(block.encoded))}
    test = {
        "_info": dict(info),
        "network": case.name.network,
        "sealEngine": "NoProof",
        "genesisBlockHeader": _header(genesis),
        "pre": {
            _hex(address): {
                "balance": hex(account.balance),
                "nonce": hex(account.nonce),
                "code": _hex(account.code),
                "storage": {_word(slot): _word(value) for slot, value in sorted(account.storage.items())},
            }
            for address, account in case.genesis.accounts.items()
        },
        "blocks": [entry],
        "lastblockhash": _hex(last),
    }
    return json.dumps({case.name.test: test}, indent=1).encode() + b"\n"


def _block_header(block: bytes) -> bytes:
    _, begin, _, end = list_items(block)[0]
    return block[begin:end]


def _header(encoded: bytes) -> dict[str, str]:
    """The header's members, and its hash. Raises EncodingError."""
    items = [encoded[start:stop] for _, _, start, stop in list_items(encoded)]
    if len(items) > len(HEADER_KEYS):
        raise EncodingError(f"a header of {len(items)} fields")
    members = {"hash": _hex(keccak256(encoded))}
    for (key, length), item in zip(HEADER_KEYS, items, strict=False):
        members[key] = hex(int.from_bytes(item, "big")) if length == 0 else _hex(item)
    return members


def _word(value: int) -> str:
    return _hex(integer_octets(value) or b"\0")


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"
