"""The partial trie against the `trie` package: on all nodes, on the exact witness, and with any node missing."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie  # type: ignore[attr-defined]

from witness.errors import EncodingError, WitnessError, WitnessInsufficientError
from witness.header import keccak256
from witness.model import Octets
from witness.rlp_encoding import encode_list, encode_string
from witness.trie import EMPTY_ROOT, MAX_KEY_LENGTH, PartialTrie, list_root, nodes_by_hash

Changes = dict[bytes, bytes | None]


class RecordingNodes(Mapping[bytes, Octets]):
    """Nodes by hash that remember which were asked for."""

    def __init__(self, nodes: Mapping[bytes, Octets]) -> None:
        self.nodes = nodes
        self.used: set[bytes] = set()

    def __getitem__(self, key: bytes) -> Octets:
        value = self.nodes[key]
        self.used.add(key)
        return value

    def __contains__(self, key: object) -> bool:
        return key in self.nodes

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)


class RecordingDatabase(dict[bytes, bytes]):
    """What the reference trie stores its nodes in."""

    def __init__(self, nodes: Mapping[bytes, bytes]) -> None:
        super().__init__(nodes)
        self.used: set[bytes] = set()

    def __getitem__(self, key: bytes) -> bytes:
        self.used.add(key)
        return super().__getitem__(key)


# Short values make embedded nodes. Keys over a small alphabet share prefixes, and are prefixes of one another.
plain_keys = st.lists(st.sampled_from([0x00, 0x01, 0x10, 0x11, 0xFF]), max_size=5).map(bytes)
hashed_keys = st.integers(0, 40).map(lambda number: keccak256(number.to_bytes(2, "big")))
clustered_keys = st.tuples(st.sampled_from([b"a" * 31, b"a" * 30 + b"b", b"b" * 31]), st.binary(min_size=1, max_size=1))
keys = st.one_of(plain_keys, hashed_keys, clustered_keys.map(b"".join))
values = st.one_of(st.binary(min_size=1, max_size=3), st.binary(min_size=28, max_size=70))
contents = st.dictionaries(keys, values, max_size=40)
changes_of_any = st.dictionaries(keys, st.one_of(st.none(), values), max_size=20)


def reference(content: Mapping[bytes, bytes]) -> tuple[bytes, dict[bytes, bytes]]:
    nodes: dict[bytes, bytes] = {}
    trie = HexaryTrie(nodes)
    for key, value in content.items():
        trie[key] = value
    return trie.root_hash, nodes


def changed(content: Mapping[bytes, bytes], changes: Changes) -> dict[bytes, bytes]:
    result = {**content, **changes}
    return {key: value for key, value in result.items() if value is not None}


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[bytes, bytes], Changes]:
    content = draw(contents)
    changes: Changes = draw(changes_of_any)
    for key in draw(st.lists(st.sampled_from(sorted(content)), unique=True)) if content else ():
        changes[key] = draw(st.one_of(st.none(), values))
    order = draw(st.permutations(sorted(changes)))
    return content, {key: changes[key] for key in order}


def attempt(action: Callable[[], bytes | None]) -> bytes | WitnessError | None:
    """What `action` returns, or raises on purpose."""
    try:
        return action()
    except WitnessError as error:
        return error


@given(cases())
@settings(max_examples=300, deadline=None)
def test_reads_and_updates_like_the_reference(case: tuple[dict[bytes, bytes], Changes]) -> None:
    content, changes = case
    root, nodes = reference(content)
    trie = PartialTrie(root, {key: memoryview(node) for key, node in nodes.items()})
    for key in [*content, *changes]:
        assert trie.get(key) == content.get(key)
    assert trie.root() == root
    trie.update(changes)
    after = changed(content, changes)
    assert trie.root() == reference(after)[0]
    for key in [*content, *changes]:
        assert trie.get(key) == after.get(key)


@given(cases(), st.data())
@settings(max_examples=200, deadline=None)
def test_the_exact_witness_suffices_and_no_node_of_it_can_be_wrong(
    case: tuple[dict[bytes, bytes], Changes], data: st.DataObject
) -> None:
    content, changes = case
    root, nodes = reference(content)
    expected = reference(changed(content, changes))[0]
    recording = RecordingNodes(nodes)
    trie = PartialTrie(root, recording)
    trie.update(changes)
    assert trie.root() == expected
    witness = {hash_: nodes[hash_] for hash_ in recording.used}

    again = PartialTrie(root, witness)
    reordered = data.draw(st.permutations(list(changes.items())))
    again.update(dict(reordered))  # no order of the mapping asks for more
    assert again.root() == expected

    for dropped in witness:
        lacking = PartialTrie(root, {hash_: node for hash_, node in witness.items() if hash_ != dropped})
        with pytest.raises(WitnessInsufficientError) as raised:
            lacking.update(changes)
        assert (raised.value.kind, raised.value.hash) == ("node", dropped)
        assert lacking.root() == root  # unchanged


@given(cases())
@settings(max_examples=200, deadline=None)
def test_reads_no_node_that_the_reference_does_not(case: tuple[dict[bytes, bytes], Changes]) -> None:
    content, changes = case
    root, nodes = reference(content)
    database = RecordingDatabase(nodes)
    other = HexaryTrie(database, root)
    for key, value in changes.items():
        if value is not None:
            other[key] = value
    for key, value in changes.items():
        if value is None:
            del other[key]  # type: ignore[no-untyped-call]
    recording = RecordingNodes(nodes)
    trie = PartialTrie(root, recording)
    trie.update(changes)
    trie.root()
    assert recording.used <= database.used


@given(contents, keys)
@settings(max_examples=200, deadline=None)
def test_a_read_without_any_one_node_is_right_or_names_it(content: dict[bytes, bytes], key: bytes) -> None:
    root, nodes = reference(content)
    for dropped in nodes:
        trie = PartialTrie(root, {hash_: node for hash_, node in nodes.items() if hash_ != dropped})
        found = attempt(partial(trie.get, key))
        if isinstance(found, WitnessInsufficientError):
            assert found.hash == dropped
        else:
            assert found == content.get(key)


@given(st.lists(changes_of_any, max_size=6), contents)
@settings(max_examples=100, deadline=None)
def test_a_series_of_updates(series: list[Changes], content: dict[bytes, bytes]) -> None:
    root, nodes = reference(content)
    trie = PartialTrie(root, nodes)
    for changes in series:
        trie.update(changes)
        content = changed(content, changes)
        assert trie.root() == reference(content)[0]
    trie.update(dict.fromkeys(content))
    assert trie.root() == EMPTY_ROOT


@given(contents.filter(bool), st.data())
@settings(max_examples=300, deadline=None)
def test_a_mangled_node_is_refused_and_named_or_read_as_it_stands(
    content: dict[bytes, bytes], data: st.DataObject
) -> None:
    root, nodes = reference(content)
    hash_ = data.draw(st.sampled_from(sorted(nodes)))
    mangled = bytearray(nodes[hash_])
    for _ in range(data.draw(st.integers(1, 3))):
        mangled[data.draw(st.integers(0, len(mangled) - 1))] = data.draw(st.integers(0, 255))
    trie = PartialTrie(root, {**nodes, hash_: bytes(mangled)})

    def use(key: bytes) -> bytes | None:
        trie.get(key)
        trie.update({key: b"new"})
        trie.update({key: None})
        return trie.root()

    for key in content:
        found = attempt(partial(use, key))
        if isinstance(found, EncodingError):
            assert hash_.hex() in str(found)


@given(st.binary(max_size=100))
def test_random_bytes_are_no_node(junk: bytes) -> None:
    root = keccak256(junk)
    if root == EMPTY_ROOT:
        return
    found = attempt(lambda: PartialTrie(root, {root: junk}).get(bytes(32)))
    if isinstance(found, EncodingError):
        assert root.hex() in str(found)


HASH = bytes([0xA0]) + b"h" * 32
LEAF = encode_list(encode_string(b"\x20") + encode_string(b"v" * 40))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "0 items"),
        (HASH, "1 items"),
        (HASH * 3, "3 items"),
        (b"\x80" * 17, "fewer than two"),
        (HASH + b"\x80" * 16, "fewer than two"),
        (HASH * 2 + b"\x01" + b"\x80" * 14, "neither empty"),
        (HASH * 2 + b"\x80" * 14 + b"\xc0", "value of a branch"),
        (HASH * 2 + LEAF + b"\x80" * 14, "embedded node has"),
        (b"\x80" + b"\x01", "flag"),
        (b"\x40" + b"\x01", "flag"),
        (b"\x21" + b"\x01", "padding"),
        (b"\xc0" + b"\x01", "path is a list"),
        (b"\x20" + b"\x80", "empty"),
        (b"\x20" + b"\xc0", "list"),
        (b"\x00" + HASH, "empty path"),
        (b"\x11" + b"\x80", "neither empty"),
        (b"\x11" + b"\xc2\x31\x01", "than a branch"),
        (b"\x81\x11" + HASH, "length prefix"),
        (HASH[:20], "truncated|within"),
    ],
)
def test_a_node_that_no_trie_contains_is_refused(payload: bytes, reason: str) -> None:
    node = encode_list(payload)
    root = keccak256(node)
    with pytest.raises(EncodingError, match=f"0x{root.hex()}.*({reason})"):
        PartialTrie(root, {root: node}).get(b"\x11" * 32)


def test_bytes_after_a_node_are_refused() -> None:
    root = keccak256(LEAF + b"\x80")
    with pytest.raises(EncodingError, match="exactly one"):
        PartialTrie(root, {root: LEAF + b"\x80"}).get(b"")


def test_an_extension_to_a_leaf_is_refused_every_time() -> None:
    extension = encode_list(b"\x11" + bytes([0xA0]) + keccak256(LEAF))
    root = keccak256(extension)
    trie = PartialTrie(root, nodes_by_hash([extension, LEAF]))
    for _ in range(2):
        with pytest.raises(EncodingError, match=keccak256(LEAF).hex()):
            trie.get(b"\x11")


def test_a_short_node_named_by_hash_is_refused_but_for_the_root() -> None:
    short = encode_list(encode_string(b"\x20") + encode_string(b"v"))
    assert PartialTrie(keccak256(short), nodes_by_hash([short])).get(b"") == b"v"
    branch = encode_list((bytes([0xA0]) + keccak256(short)) * 2 + b"\x80" * 15)
    trie = PartialTrie(keccak256(branch), nodes_by_hash([branch, short]))
    with pytest.raises(EncodingError, match=keccak256(short).hex()):
        trie.get(b"\x00")


def test_a_missing_node_is_named_with_its_path() -> None:
    content = {keccak256(bytes([number])): bytes([number]) * 40 for number in range(1, 200)}
    root, _ = reference(content)
    key = next(iter(content))
    with pytest.raises(WitnessInsufficientError) as raised:
        PartialTrie(root, {}).get(key)
    assert (raised.value.kind, raised.value.hash, raised.value.where) == ("node", root, "root")
    _, nodes = reference(content)
    with pytest.raises(WitnessInsufficientError) as raised:
        PartialTrie(root, {root: nodes[root]}).get(key)
    assert raised.value.where == f"path {key.hex()[0]}"
    assert nodes[raised.value.hash]


def test_nothing_is_asked_for_where_puts_save_a_branch() -> None:
    """One child goes, another comes: the third, which the witness lacks, is not needed."""
    going, coming, staying = (bytes([first]) + b"k" * 31 for first in (0x10, 0x20, 0x30))
    root, nodes = reference({going: b"g" * 40, staying: b"s" * 40})
    leaf = encode_list(encode_string(b"\x30" + staying[1:]) + encode_string(b"s" * 40))
    assert keccak256(leaf) in nodes
    witness = {hash_: node for hash_, node in nodes.items() if hash_ != keccak256(leaf)}
    for changes in ({going: None, coming: b"c" * 40}, {coming: b"c" * 40, going: None}):
        trie = PartialTrie(root, witness)
        trie.update(changes)
        assert trie.root() == reference({coming: b"c" * 40, staying: b"s" * 40})[0]
    with pytest.raises(WitnessInsufficientError) as raised:
        PartialTrie(root, witness).update({going: None})
    assert (raised.value.hash, raised.value.where) == (keccak256(leaf), "path 3")


def test_the_empty_trie() -> None:
    trie = PartialTrie(EMPTY_ROOT, {})
    assert trie.get(b"k") is None
    trie.update({b"k": None, b"l": b""})
    assert trie.root() == EMPTY_ROOT
    trie.update({b"k": b"v"})
    assert trie.get(b"k") == b"v"


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="root has 31 bytes"):
        PartialTrie(bytes(31), {})
    with pytest.raises(ValueError, match="key of"):
        PartialTrie(EMPTY_ROOT, {}).update({bytes(MAX_KEY_LENGTH + 1): b"v"})


def test_the_longest_keys_stay_within_the_recursion_limit() -> None:
    """Every nibble a branch: the deepest trie that keys of this length can make."""
    key = bytes([0x11]) * MAX_KEY_LENGTH
    content = {key[:length] + suffix: b"v" for length in range(MAX_KEY_LENGTH) for suffix in (b"\x01", b"\x12")}
    content[key] = b"v"
    trie = PartialTrie(EMPTY_ROOT, {})
    trie.update(content)
    assert trie.root() == reference(content)[0]


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=300))
@settings(max_examples=30, deadline=None)
def test_list_root_like_the_reference(items: list[bytes]) -> None:
    assert list_root(items) == reference({rlp.encode(index): item for index, item in enumerate(items)})[0]
