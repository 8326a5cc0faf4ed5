"""What a file's own nodes say of its prestate and poststate: every contradiction is found, and nothing else."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.witness.examples import CODE, block_witness
from tests.witness.real_data import PRAGUE_BLOCK, ZKPIG, needs_real_data
from tests.witness.test_prestate import poststates, prestates
from witness.check import check_witness, is_usable
from witness.formats import load
from witness.header import keccak256
from witness.model import BlockWitness, PostAccount, PostState, PreAccount, PreState, Witness
from witness.prestate import decode_poststate, encode_poststate, encode_prestate
from witness.proven_state import ProvenState, root_after
from witness.rlp_encoding import Item, encode_integer, encode_item, encode_string
from witness.trie import EMPTY_ROOT, PartialTrie, nodes_by_hash
from witness.trie_node import Branch, Extension, Leaf, Node, _encode_node, node_reference

EMPTY_CODE = keccak256(b"")
ADDRESSES = [bytes([number]) * 20 for number in range(1, 7)]
RICH, HOLDER, ABSENT = ADDRESSES[0], ADDRESSES[1], ADDRESSES[5]
KEYS = [number.to_bytes(32, "big") for number in range(4)]
STORAGE = {KEYS[0]: 1, KEYS[1]: 2**255}


def all_nodes(trie: PartialTrie) -> list[bytes]:
    """Every node of a trie that was filled from nothing and has a hash."""
    nodes: list[bytes] = []
    pending: list[Node] = [trie._root] if isinstance(trie._root, Branch | Extension | Leaf) else []
    top = pending[:]
    while pending:
        node = pending.pop()
        if len(node_reference(node)) == 33 or node in top:
            nodes.append(_encode_node(node))
        children = node.children if isinstance(node, Branch) else [node.child] if isinstance(node, Extension) else []
        pending += [child for child in children if isinstance(child, Branch | Extension | Leaf)]
    return nodes


def state_of(accounts: dict[bytes, tuple[int, int, dict[bytes, int], bytes]]) -> tuple[bytes, list[bytes]]:
    """Root and nodes of a whole state; accounts: nonce, balance, slots, code hash."""
    state, nodes = PartialTrie(EMPTY_ROOT, {}), list[bytes]()
    for address, (nonce, balance, slots, code_hash) in accounts.items():
        storage = PartialTrie(EMPTY_ROOT, {})
        storage.update({keccak256(key): encode_string(encode_integer(value)) for key, value in slots.items()})
        nodes += all_nodes(storage)
        fields: list[Item] = [encode_integer(nonce), encode_integer(balance), storage.root(), code_hash]
        state.update({keccak256(address): encode_item(fields)})
    return state.root(), nodes + all_nodes(state)


Accounts = dict[bytes, tuple[int, int, dict[bytes, int], bytes]]
"""Nonce, balance, slots and code hash by address."""
BEFORE: Accounts = {address: (number, 100, {}, EMPTY_CODE) for number, address in enumerate(ADDRESSES[2:5])} | {
    RICH: (3, 10**18, {}, EMPTY_CODE),
    HOLDER: (1, 0, STORAGE, keccak256(CODE)),
}
AFTER: Accounts = {
    **BEFORE,
    RICH: (4, 10**17, {}, EMPTY_CODE),
    HOLDER: (1, 7, {KEYS[0]: 1, KEYS[2]: 9}, keccak256(CODE)),
}
AFTER[ABSENT] = (0, 1, {}, EMPTY_CODE)
del AFTER[ADDRESSES[4]]
ROOT, NODES = state_of(BEFORE)
STORAGE_ROOT = ProvenState(ROOT, nodes_by_hash(NODES)).account(HOLDER).storage_root  # type: ignore[union-attr]
PRESTATE: dict[bytes, PreAccount | None] = {
    RICH: PreAccount(3, 10**18, EMPTY_ROOT, EMPTY_CODE),
    HOLDER: PreAccount(1, 0, STORAGE_ROOT, keccak256(CODE), {KEYS[0]: 1, KEYS[1]: 2**255, KEYS[2]: 0}),
    ADDRESSES[4]: PreAccount(2, 100, EMPTY_ROOT, EMPTY_CODE),
    ABSENT: None,
}
POSTSTATE: dict[bytes, PostAccount | None] = {
    RICH: PostAccount(4, 10**17, EMPTY_CODE),
    HOLDER: PostAccount(1, 7, keccak256(CODE), {KEYS[1]: 0, KEYS[2]: 9}),
    ADDRESSES[4]: None,
    ABSENT: PostAccount(0, 1, EMPTY_CODE),
}


def content_with(prestate: PreState | None, poststate: PostState | None, nodes: list[bytes] = NODES) -> BlockWitness:
    content = block_witness(9, state=sorted(NODES), state_root=ROOT, root_after=state_of(AFTER)[0])
    return replace(
        content,
        witness=Witness(sorted(nodes), content.witness.codes, content.witness.headers),
        prestate=None if prestate is None else encode_prestate(prestate),
        poststate=None if poststate is None else encode_poststate(poststate),
    )


def findings(content: BlockWitness) -> list[str]:
    return [
        f"{each.severity}: {each.subject}: {each.text}"
        for each in check_witness(content)
        if each.subject in ("prestate", "poststate")
    ]


def test_right_sections_are_proven() -> None:
    assert findings(content_with(PRESTATE, POSTSTATE)) == [
        "note: prestate: 4 accounts (1 absent), 3 slots; all proven by the nodes",
        "note: poststate: 4 accounts (1 deleted), 2 slots; gives the header's state root",
    ]
    assert is_usable(check_witness(content_with(PRESTATE, POSTSTATE)))
    assert findings(content_with(None, None)) == []


def changed(address: bytes, **values: object) -> PreState:
    account = PRESTATE[address]
    assert account is not None
    return {**PRESTATE, address: replace(account, **values)}  # type: ignore[arg-type]


CONTRADICTIONS: list[tuple[str, PreState, str]] = [
    ("nonce", changed(RICH, nonce=4), "nonce 4, the nodes prove 3"),
    ("balance", changed(RICH, balance=1), f"balance 1, the nodes prove {10**18}"),
    ("root", changed(RICH, storage_root=STORAGE_ROOT), f"storage root 0x{STORAGE_ROOT.hex()}, the nodes prove 0x56e8"),
    ("code", changed(RICH, code_hash=keccak256(CODE)), f"code hash 0x{keccak256(CODE).hex()}, the nodes"),
    ("absent", {**PRESTATE, RICH: None}, "absent, the nodes prove that it is there"),
    ("there", {**PRESTATE, ABSENT: PRESTATE[RICH]}, "there, the nodes prove it absent"),
    (
        "slot",
        changed(HOLDER, slots={KEYS[0]: 2}),
        "slot 0x" + "00" * 32 + f" of 0x{HOLDER.hex()}: 0x2, the nodes prove 0x1",
    ),
    ("no slot", changed(HOLDER, slots={KEYS[3]: 2}), f"03 of 0x{HOLDER.hex()}: 0x2, the nodes prove 0x0"),
    ("slot of nothing", changed(RICH, slots={KEYS[0]: 2}), "a slot has a value under the root of no storage"),
]


@pytest.mark.parametrize(
    ("prestate", "reason"), [case[1:] for case in CONTRADICTIONS], ids=[c[0] for c in CONTRADICTIONS]
)
def test_a_prestate_that_contradicts_the_nodes_makes_the_file_unusable(prestate: PreState, reason: str) -> None:
    content = content_with(prestate, None)
    assert not is_usable(check_witness(content))
    found = findings(content)
    assert found[0].startswith("error: prestate: ")
    assert reason in found[0]


def test_of_many_contradictions_some_are_told() -> None:
    prestate = dict.fromkeys(ADDRESSES, PRESTATE[RICH])
    found = findings(content_with(prestate, None))
    assert len(found) == 6
    assert found[-1].endswith("further contradictions")


def without(is_left_out: Callable[[bytes], bool]) -> list[bytes]:
    return [node for node in NODES if not is_left_out(node)]


def test_what_the_nodes_do_not_prove_is_counted_and_no_contradiction() -> None:
    nodes = without(lambda node: keccak256(node) == STORAGE_ROOT)
    assert findings(content_with(PRESTATE, POSTSTATE, nodes)) == [
        "note: prestate: 4 accounts (1 absent), 3 slots; 3 of these 7 are not proven by the nodes",
        f"note: poststate: 4 accounts (1 deleted), 2 slots; not proven: missing node 0x{STORAGE_ROOT.hex()} (root)",
    ]
    content = content_with(PRESTATE, POSTSTATE)
    orphan = replace(content, witness=replace(content.witness, headers=[]))
    assert findings(orphan) == [
        "note: prestate: 4 accounts (1 absent), 3 slots; nothing names the pre-state root, so nothing of it is proven"
    ]


@pytest.mark.parametrize(
    ("poststate", "reason"),
    [
        ({**POSTSTATE, RICH: PostAccount(4, 1, EMPTY_CODE)}, "warning: poststate: gives the state root 0x"),
        ({RICH: POSTSTATE[RICH]}, "warning: poststate: gives the state root 0x"),
        (
            {**POSTSTATE, ADDRESSES[2]: PostAccount(0, 100, EMPTY_CODE)},
            "warning: poststate: 1 of 5 accounts are not in",
        ),
        (
            {**POSTSTATE, RICH: PostAccount(3, 10**18, EMPTY_CODE)},
            f"error: poststate: account 0x{RICH.hex()} is listed",
        ),
        ({**POSTSTATE, ABSENT: None}, f"error: poststate: account 0x{ABSENT.hex()} is listed and not changed"),
        (
            {**POSTSTATE, HOLDER: PostAccount(1, 7, keccak256(CODE), {KEYS[0]: 1, KEYS[1]: 0, KEYS[2]: 9})},
            "error: poststate: slot 0x" + "00" * 32,
        ),
    ],
)
def test_a_poststate_that_cannot_be_is_found(poststate: PostState, reason: str) -> None:
    found = findings(content_with(PRESTATE, poststate))
    assert any(each.startswith(reason) for each in found), found


def test_malformed_sections_make_the_file_unusable() -> None:
    content = content_with(PRESTATE, POSTSTATE)
    broken = {
        "prestate": replace(content, prestate=b"\xc1\x01"),
        "poststate": replace(content, poststate=b"\xc1\x01"),
    }
    for name, each in broken.items():
        assert not is_usable(check_witness(each))
        assert f"error: {name}: malformed: an entry is no list" in findings(each)


near = st.sampled_from(ADDRESSES) | st.binary(min_size=20, max_size=20)


@given(st.dictionaries(near, prestates.map(lambda each: next(iter(each.values()), None)), max_size=4), poststates)
@settings(deadline=None)
def test_no_section_makes_the_check_raise(prestate: PreState, poststate: PostState) -> None:
    """What is not in the state, or is otherwise there, is told; nothing is right by chance."""
    content = content_with(prestate, poststate)
    wrong = {address: account for address, account in prestate.items() if (account is None) == (address in BEFORE)}
    assert is_usable(check_witness(content)) <= (not wrong)
    assert sum(": prestate: " in each for each in findings(content)) >= 1


def test_the_root_after_changes() -> None:
    assert root_after(ROOT, nodes_by_hash(NODES), POSTSTATE) == state_of(AFTER)[0]
    assert root_after(ROOT, nodes_by_hash(NODES), {}) == ROOT


@needs_real_data
def test_zkpigs_sections_are_proven_by_the_nodes_of_another_source() -> None:
    (zkpig,), (other,) = load(ZKPIG), load(PRAGUE_BLOCK)
    content = replace(other, prestate=zkpig.prestate, poststate=zkpig.poststate)
    assert findings(content) == [
        "note: prestate: 62 accounts (2 absent), 129 slots; all proven by the nodes",
        "note: poststate: 49 accounts (0 deleted), 48 slots; gives the header's state root",
    ]
    assert content.poststate is not None
    poststate = decode_poststate(content.poststate)
    del poststate[min(poststate)]
    found = findings(replace(content, poststate=encode_poststate(poststate)))
    assert any(each.startswith("error: poststate: gives the state root") for each in found)
