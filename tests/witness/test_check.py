"""The deep check: every finding, each from a file with that one fault; and that nothing makes it raise."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.witness.examples import CODE, LEGACY, WITHDRAWAL, block_rlp, block_witness, chain, header_rlp
from tests.witness.real_data import PRAGUE_BLOCK, needs_real_data, real_blocks
from witness.check import check_witness, is_usable
from witness.errors import EncodingError
from witness.file import decode_witness_file, encode_witness_file
from witness.finding import Severity
from witness.formats import load
from witness.header import block_header_rlp, decode_header, keccak256
from witness.model import BlockWitness, Octets, Witness
from witness.rlp_encoding import Item, encode_item, encode_list
from witness.rlp_item import list_items
from witness.trie import EMPTY_ROOT, PartialTrie, list_root
from witness.trie_node import Branch, Extension, _encode_node, decode_node, node_reference


def leaf(path: bytes, value: bytes) -> bytes:
    """The RLP of a leaf with an even path."""
    return encode_item([b"\x20" + path, value])


def account(storage_root: bytes = EMPTY_ROOT, code: bytes = CODE) -> bytes:
    return encode_item([b"\x01", b"\x02", storage_root, keccak256(code)])


STORAGE = leaf(b"s" * 32, b"\x05")
ACCOUNT = leaf(b"a" * 32, account(keccak256(STORAGE)))
GOOD = block_witness(9, state=[ACCOUNT, STORAGE])


def findings(content: BlockWitness) -> list[tuple[str, str]]:
    return [(str(each.severity), f"{each.subject}: {each.text}") for each in check_witness(content)]


def with_witness(
    state: Sequence[Octets] = GOOD.witness.state,
    codes: Sequence[Octets] = GOOD.witness.codes,
    headers: Sequence[Octets] = GOOD.witness.headers,
) -> BlockWitness:
    return replace(GOOD, witness=Witness(state, codes, headers))


def with_body(*parts: list[Item]) -> BlockWitness:
    """The block of GOOD with another body."""
    return replace(GOOD, block=encode_list_of(bytes(block_header_rlp(GOOD.block)), *parts))


def encode_list_of(header: bytes, *parts: list[Item]) -> bytes:
    return encode_list(header + b"".join(encode_item(part) for part in parts))


def test_a_good_file_has_no_findings() -> None:
    assert GOOD.witness.state[0] != GOOD.witness.state[1]
    assert findings(GOOD) == []
    assert findings(decode_witness_file(encode_witness_file(GOOD))) == []


SEVENTH, EIGHTH = GOOD.witness.headers
CASES: list[tuple[str, BlockWitness, str, str]] = [
    ("hash", replace(GOOD, hash=bytes(32)), "error", "block: the block has not the hash"),
    ("number", replace(GOOD, number=10), "error", "block: the block has number 9"),
    ("no block", replace(GOOD, block=b"\xc0"), "error", "block: block: block does not start"),
    ("transactions", with_body([], [], [WITHDRAWAL]), "error", "block: the transactions do not"),
    ("empty transaction", with_body([b""], [], [WITHDRAWAL]), "error", "block: the transactions do not"),
    ("uncles", with_body([LEGACY], [[b""]], [WITHDRAWAL]), "error", "block: the uncles do not"),
    ("withdrawals", with_body([LEGACY], [], []), "error", "block: the withdrawals do not"),
    ("no withdrawals", with_body([LEGACY], []), "error", "block: withdrawals are there without"),
    ("parts", with_body([LEGACY]), "error", "block: 2 parts"),
    ("other chain", replace(GOOD, chain_id=8), "error", "chain_config: is of chain 7, the file of chain 8"),
    ("config", replace(GOOD, chain_config=b"[]"), "error", "chain_config: chain config is not a JSON object"),
    ("no header", with_witness(headers=[]), "error", f"headers: the parent's header 0x{keccak256(EIGHTH).hex()}"),
    ("not the parent", with_witness(headers=[SEVENTH]), "error", "headers: [0], number 7, is not the parent of the"),
    ("gap", with_witness(headers=[chain(1, 6)[0], EIGHTH]), "error", "headers: [0], number 6, is not the parent of 8"),
    ("descending", with_witness(headers=[EIGHTH, SEVENTH]), "error", "headers: [1], number 7, is not the parent"),
    (
        "twice",
        with_witness(headers=[SEVENTH, EIGHTH, EIGHTH]),
        "error",
        "headers: [1], number 8, is not the parent",
    ),
    ("undecodable", with_witness(headers=[b"\xc0", SEVENTH, EIGHTH]), "error", "headers: [0]: header has 0 fields"),
    ("root", with_witness(state=[STORAGE]), "error", f"state: the pre-state root's node 0x{keccak256(ACCOUNT).hex()}"),
    ("no nodes", with_witness(state=[]), "warning", "state: no nodes: the pre-state root's node"),
    ("order", with_witness(state=sorted([ACCOUNT, STORAGE])[::-1]), "warning", "state: is not sorted"),
    ("twice the node", with_witness(state=sorted([ACCOUNT, ACCOUNT, STORAGE])), "warning", "state: 1 elements are"),
    ("code order", with_witness(codes=[CODE, b"\0"]), "warning", "codes: is not sorted"),
    ("code twice", with_witness(codes=[CODE, CODE]), "warning", "codes: 1 elements are there more than once"),
    ("stray", with_witness(state=sorted([ACCOUNT, STORAGE, leaf(b"", b"x")])), "warning", "state: 1 of 3 nodes cannot"),
    (
        "junk",
        with_witness(state=sorted([ACCOUNT, STORAGE, b"\x01"])),
        "warning",
        f"node 0x{keccak256(bytes([1])).hex()}",
    ),
    ("0x80", with_witness(state=sorted([ACCOUNT, STORAGE, b"\x80"])), "note", "state: holds 0x80"),
    ("code of none", with_witness(codes=sorted([CODE, b"\1"])), "note", "codes: 1 of 2 codes are of no account"),
    (
        "claims",
        replace(GOOD, claims=b'{"blockHashes":{},"x":1}'),
        "note",
        "claims: asserted, not proven: blockHashes, x",
    ),
    ("no claims", replace(GOOD, claims=b"x"), "warning", "claims: is not a JSON object"),
    ("producer", replace(GOOD, producer=b"[]"), "warning", "producer: is not a JSON object"),
    (
        "expected",
        replace(GOOD, expected=b'{"gasUsed":"0x5"}'),
        "note",
        "expected: the producer computed another gasUsed",
    ),
    (
        "invalid",
        replace(GOOD, expected=b'{"invalid":"nonce"}'),
        "note",
        "expected: the producer found the block invalid",
    ),
    ("extra", replace(GOOD, extra={77: b""}), "note", "sections: kind 77 is not known"),
]


@pytest.mark.parametrize(("content", "severity", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_fault_is_found(content: BlockWitness, severity: str, text: str) -> None:
    found = findings(content)
    assert any(each == severity and text in line for each, line in found), found
    assert is_usable(check_witness(content)) == (severity != "error")


def test_a_claimed_root_takes_the_place_of_the_parents_header() -> None:
    root = keccak256(ACCOUNT).hex()
    content = replace(with_witness(headers=[]), claims=f'{{"parentStateRoot":"0x{root}"}}'.encode())
    found = check_witness(content)
    assert [each.severity for each in found] == [Severity.WARNING, Severity.NOTE]
    assert "only claimed" in found[0].text
    wrong = replace(content, claims=b'{"parentStateRoot":"0x' + b"11" * 32 + b'"}')
    assert any(each.text.startswith("the pre-state root's node 0x1111") for each in check_witness(wrong))
    for none in (b'{"parentStateRoot":"0x11"}', b'{"parentStateRoot":7}', b"[]", b"[" * 100_000):
        assert not is_usable(check_witness(replace(content, claims=none)))


def rooted(root_node: bytes, *others: bytes) -> BlockWitness:
    """A block whose parent has the hash of `root_node` as its state root."""
    content = block_witness(9, state=[root_node])
    return replace(content, witness=replace(content.witness, state=sorted([root_node, *others])))


def test_accounts_that_are_none_are_found() -> None:
    for value in (
        b"x",
        encode_item([b"", b"", b""]),
        encode_item([b"", b"", b"r", b"c"]),
        encode_item([[], [], [], []]),
    ):
        content = rooted(leaf(b"a" * 32, value))
        assert any(text.startswith("state: node") and "account" in text for _, text in findings(content))
        assert not is_usable(check_witness(content))


def test_a_reachable_node_that_is_none_makes_the_file_unusable() -> None:
    junk = b"\x83abc" * 10
    content = rooted(encode_item([b"\x00a", keccak256(junk)]), junk)
    assert (
        "error",
        f"state: node 0x{keccak256(junk).hex()} is malformed: node is not exactly one RLP list",
    ) in findings(content)


def test_everything_reachable_is_reached() -> None:
    """A state trie of many accounts, some with storage, embedded nodes and shared subtries among them."""
    slots = PartialTrie(EMPTY_ROOT, {})
    recorded: dict[bytes, bytes] = {}
    slots.update({bytes([number]): b"\x01" for number in range(40)})  # short values: embedded nodes
    accounts = PartialTrie(EMPTY_ROOT, {})
    accounts.update({keccak256(bytes([number])): account(slots.root()) for number in range(50)})
    for trie in (slots, accounts):
        collect(trie, recorded)
    root = recorded.pop(accounts.root())
    assert findings(rooted(root, *recorded.values())) == []
    stray = leaf(b"z", b"zz" * 20)
    assert ("warning", f"state: 1 of {len(recorded) + 2} nodes cannot be reached from the pre-state root") in findings(
        rooted(root, *recorded.values(), stray)
    )


def collect(trie: PartialTrie, into: dict[bytes, bytes]) -> None:
    """Every node of a trie that was built in memory, under its hash."""
    pending = [trie._load_root()]
    while pending:
        node = pending.pop()
        assert node is not None
        encoded = _encode_node(node)
        if len(node_reference(node)) == 33 or node is trie._root:
            into[keccak256(encoded)] = encoded
            assert type(decode_node(encoded)) is type(node)
        children = node.children if isinstance(node, Branch) else [node.child] if isinstance(node, Extension) else []
        pending += [child for child in children if child is not None]  # type: ignore[misc]


def test_a_pre_shanghai_block_with_withdrawals_is_found() -> None:
    items = list(GOOD.witness.headers)
    header = header_rlp(number=9, parent_hash=keccak256(items[-1]), transactions_root=list_root([]))
    fields: Item = [bytes(field) for field in decoded_fields(header)[:16]]
    older = encode_item(fields)
    content = replace(GOOD, block=block_rlp(older, [], [WITHDRAWAL]), hash=keccak256(older))
    assert ("error", "block: withdrawals are there without a root in the header, or the other way round") in findings(
        content
    )
    assert decode_header(older).withdrawals_root is None


def decoded_fields(encoded: bytes) -> list[bytes]:
    return [encoded[start:stop] for _, _, start, stop in list_items(encoded)]


def test_a_finding_is_one_line_of_text_whatever_the_file_holds() -> None:
    content = replace(GOOD, expected=b'{"invalid":"a\\nb\\u001b[31m"}', claims=b'{"x\\ny":1}')
    texts = [each.text for each in check_witness(content)]
    assert len(texts) == 2
    assert all(text.isprintable() for text in texts)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_never_raises(data: st.DataObject) -> None:
    """Any byte of any part changed, or the part gone."""
    part = data.draw(st.sampled_from(["block", "chain_config", "claims", "expected", "producer", "state", "headers"]))
    content = replace(GOOD, claims=b'{"parentStateRoot":"0x00"}', expected=b'{"gasUsed":"0x0"}', producer=b"{}")
    if part in ("state", "headers"):
        elements = [bytes(each) for each in getattr(content.witness, part)]
        index = data.draw(st.integers(0, len(elements) - 1))
        elements[index] = mangled(elements[index], data)
        content = replace(content, witness=replace(content.witness, **{part: elements}))
    else:
        changes: dict[str, Any] = {part: mangled(bytes(getattr(content, part)), data)}
        content = replace(content, **changes)
        if part == "block":
            try:
                content = replace(content, hash=keccak256(block_header_rlp(content.block)))
            except EncodingError:
                return
    for each in check_witness(content):
        assert "\n" not in each.text


def mangled(octets: bytes, data: st.DataObject) -> bytes:
    changed = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed[: data.draw(st.integers(0, len(changed)))]) if data.draw(st.booleans()) else bytes(changed)


# Real blocks.


@pytest.mark.parametrize("path", real_blocks(), ids=lambda path: path.name)
def test_real_blocks_are_usable_and_all_their_nodes_reachable(path: Path) -> None:
    (content,) = load(path)
    found = check_witness(content)
    assert is_usable(found)
    assert not [each for each in found if "reached" in each.text or "malformed" in each.text]


@needs_real_data
def test_a_dropped_upper_node_of_a_real_block_shows_as_unreachable_ones() -> None:
    (content,) = load(PRAGUE_BLOCK)
    root = decode_header(content.witness.headers[-1]).state_root
    node = PartialTrie(root, {keccak256(each): each for each in content.witness.state})._load_root()
    assert isinstance(node, Branch)
    below = {node.hash_at(child) for child in node.children if isinstance(child, int)}
    state = [each for each in content.witness.state if keccak256(each) not in below]
    dropped = len(content.witness.state) - len(state)
    found = check_witness(replace(content, witness=replace(content.witness, state=state)))
    assert [each.text for each in found if "reached" in each.text] == [
        f"{len(state) - 1} of {len(state)} nodes cannot be reached from the pre-state root"
    ]
    assert dropped == 16
