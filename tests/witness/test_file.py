"""The witness file: round trips, the golden example, and every kind of damage."""

import hashlib
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.witness import worked_example
from tests.witness.examples import block_witness, chain
from witness import file as witness_file
from witness.errors import WitnessError, WitnessFileError
from witness.file import (
    HEADER,
    MAGIC,
    MAX_LENGTH,
    MAX_SECTIONS,
    SECTION,
    TEMPORARY_PREFIX,
    check_binding,
    decode_witness,
    decode_witness_file,
    encode_witness,
    encode_witness_file,
    map_witness_file,
    parent_state_root,
    publish,
    write_witness_file,
)
from witness.header import keccak256
from witness.model import BlockWitness, Octets, Witness

EXAMPLE = encode_witness_file(worked_example.content())


def comparable(content: BlockWitness) -> tuple[object, ...]:
    """The content with views as bytes, and lists as they are written."""

    def octets(value: Octets | None) -> bytes | None:
        return None if value is None else bytes(value)

    witness = content.witness
    return (
        *(content.chain_id, content.number, content.hash, octets(content.block), octets(content.chain_config)),
        *(sorted({bytes(each) for each in elements}) for elements in (witness.state, witness.codes)),
        [bytes(header) for header in witness.headers],
        *(octets(value) for value in (content.prestate, content.poststate, content.expected)),
        *(octets(value) for value in (content.producer, content.claims)),
        {kind: octets(value) for kind, value in content.extra.items()},
    )


def crafted(
    sections: Sequence[tuple[int, bytes]], *, count: int | None = None, offsets: dict[int, int] | None = None,
    lengths: dict[int, int] | None = None, padding: bytes = b"\0", tail: bytes = b"", **fields: Any
) -> bytes:  # fmt: skip
    """A file whose checksums are right, whatever else is wrong. offsets, lengths: other table values, by index."""
    position = HEADER.size + SECTION.size * len(sections)
    table, body = b"", b""
    for index, (kind, data) in enumerate(sections):
        start = -(-position // 8) * 8
        body += padding * (start - position) + data
        length = (lengths or {}).get(index, len(data))
        table += SECTION.pack(kind, zlib.crc32(data), (offsets or {}).get(index, start), length)
        position = start + len(data)
    values = {"magic": MAGIC, "version": 1, "total": position + len(tail), **fields}
    numbers = (7, 2, worked_example.content().hash)
    entries = len(sections) if count is None else count
    zeroed = HEADER.pack(values["magic"], values["version"], entries, values["total"], 0, *numbers)
    covered = (table + body + tail)[: SECTION.size * entries]
    checksum = zlib.crc32(zeroed + covered)
    header = HEADER.pack(values["magic"], values["version"], entries, values["total"], checksum, *numbers)
    return header + table + body + tail


BLOCK = bytes(worked_example.content().block)
SECTIONS = [(1, BLOCK), (2, encode_witness(worked_example.content().witness)), (3, b'{"chainId":7}')]


def test_the_golden_bytes() -> None:
    """A change here is a change of the format: it needs another version, and another example in the document."""
    assert hashlib.sha256(EXAMPLE).hexdigest() == "9732af20798ad378e89dda9753dd39265680d186d6f460b311277bc2f840e906"


def test_the_documents_example_is_what_the_code_writes() -> None:
    document = worked_example.DOCUMENT.read_text()
    assert worked_example.with_section(document) == document


def test_the_same_content_gives_the_same_bytes_whatever_its_order() -> None:
    content = worked_example.content()
    for state in (worked_example.NODES, worked_example.NODES[::-1], worked_example.NODES * 2):
        witness = Witness(state=state, codes=worked_example.CODES * 2, headers=content.witness.headers)
        assert encode_witness_file(replace(content, witness=witness)) == EXAMPLE


octets = st.binary(max_size=40)
optional = st.none() | octets
contents = st.builds(
    BlockWitness,
    chain_id=st.integers(0, 2**64 - 1),
    number=st.integers(0, 2**64 - 1),
    hash=st.binary(min_size=32, max_size=32),
    block=octets,
    witness=st.builds(
        Witness,
        state=st.lists(octets, max_size=6),
        codes=st.lists(octets, max_size=4),
        headers=st.lists(octets, max_size=4),
    ),
    chain_config=octets,
    prestate=optional,
    poststate=optional,
    expected=optional,
    producer=optional,
    claims=optional,
    extra=st.dictionaries(st.integers(9, 2**32 - 1), octets, max_size=4),
)


@given(contents)
def test_round_trip(content: BlockWitness) -> None:
    encoded = encode_witness_file(content)
    decoded = decode_witness_file(memoryview(encoded))
    assert comparable(decoded) == comparable(content)
    assert encode_witness_file(decoded) == encoded


@given(contents)
@settings(max_examples=20)
def test_every_truncation_and_extension_is_refused(content: BlockWitness) -> None:
    encoded = encode_witness_file(content)
    for length in range(len(encoded)):
        with pytest.raises(WitnessFileError):
            decode_witness_file(encoded[:length])
    with pytest.raises(WitnessFileError):
        decode_witness_file(encoded + b"\0")


def test_every_flipped_bit_is_refused() -> None:
    for at in range(len(EXAMPLE)):
        for bit in range(8):
            damaged = bytearray(EXAMPLE)
            damaged[at] ^= 1 << bit
            with pytest.raises(WitnessFileError):
                decode_witness_file(memoryview(damaged).toreadonly())


@given(st.data())
@settings(max_examples=300)
def test_any_change_is_refused_or_means_nothing(data: st.DataObject) -> None:
    damaged = bytearray(EXAMPLE)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_witness_file(bytes(damaged))
    except WitnessFileError:
        return
    assert comparable(decoded) == comparable(worked_example.content())


@given(st.binary(max_size=400))
def test_random_bytes_are_refused(junk: bytes) -> None:
    for data in (junk, MAGIC + junk, EXAMPLE[:64] + junk):
        with pytest.raises(WitnessFileError):
            decode_witness_file(data)


@given(st.lists(st.tuples(st.integers(0, 10), st.binary(max_size=20)), max_size=6), st.integers(0, 70))
def test_right_checksums_around_random_sections(sections: list[tuple[int, bytes]], count: int) -> None:
    try:
        decoded = decode_witness_file(crafted(sections, count=count))
    except WitnessFileError:
        return
    assert [kind for kind, _ in sections][:3] == [1, 2, 3]
    assert bytes(decoded.block) == sections[0][1]


def test_the_crafted_file_is_good_to_begin_with() -> None:
    assert decode_witness_file(crafted(SECTIONS)).number == 2
    unknown = decode_witness_file(crafted([*SECTIONS, (9, b"new"), (1000, b"")]))
    assert {kind: bytes(data) for kind, data in unknown.extra.items()} == {9: b"new", 1000: b""}


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (crafted(SECTIONS, magic=b"EVWG"), "magic"),
        (crafted(SECTIONS, version=0), "version 0"),
        (crafted(SECTIONS, version=2), "version 2"),
        (crafted([]), "section count"),
        (crafted([*SECTIONS, *((kind, b"") for kind in range(4, MAX_SECTIONS + 2))]), "section count 65"),
        (crafted(SECTIONS, count=64), "section count 64"),
        (crafted(SECTIONS, total=MAX_LENGTH + 1), "the header says"),
        (crafted(SECTIONS, total=0), "the header says 0"),
        (crafted(SECTIONS, offsets={1: 0}), "section 2 is not at its place"),
        (crafted(SECTIONS, offsets={1: 136}), "section 2 is not at its place"),  # overlaps the first
        (crafted(SECTIONS, offsets={0: 144}), "section 1 is not at its place"),
        (crafted(SECTIONS, lengths={0: 2**64 - 1}), "section 1 is not at its place"),
        (crafted(SECTIONS, lengths={1: 2**63}), "section 2 is not at its place"),
        (crafted(SECTIONS, lengths={2: 12}), "checksum of section 3"),
        (crafted(SECTIONS, padding=b"\1"), "padding"),
        (crafted(SECTIONS, tail=b"\0"), "1 bytes after"),
        (crafted([SECTIONS[1], SECTIONS[0], SECTIONS[2]]), "order"),
        (crafted([SECTIONS[0], SECTIONS[0], *SECTIONS[1:]]), "order"),
        (crafted(SECTIONS[1:]), "section 1 is missing"),
        (crafted([SECTIONS[0], SECTIONS[2]]), "section 2 is missing"),
        (crafted(SECTIONS[:2]), "section 3 is missing"),
        (crafted([SECTIONS[0], (2, bytes(11)), SECTIONS[2]]), "truncated"),
    ],
)
def test_damage_under_right_checksums_is_refused(damaged: bytes, reason: str) -> None:
    with pytest.raises(WitnessFileError, match=reason):
        decode_witness_file(damaged)


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        (b"", "truncated"),
        (words(11, 12, 12), "wrong offsets"),
        (words(16, 16, 16) + bytes(4), "wrong offsets"),
        (words(12, 11, 12), "wrong offsets"),
        (words(12, 13, 12) + b"x", "wrong offsets"),
        (words(12, 12, 13), "wrong offsets"),
        (words(12, 14, 14) + bytes(2), "state is truncated"),
        (words(12, 16, 16) + words(0), "first offset 0"),
        (words(12, 16, 16) + words(3), "first offset 3"),
        (words(12, 16, 16) + words(8), "first offset 8"),
        (words(12, 12, 20) + words(8, 9), "codes has offsets"),
        (words(12, 12, 21) + words(8, 7) + b"x", "codes has offsets"),
        (words(12, 12, 12) + words(8, 2**32 - 1), "headers has offsets"),
    ],
)
def test_wrong_lists_are_refused(section: bytes, reason: str) -> None:
    with pytest.raises(WitnessFileError, match=reason):
        decode_witness(section)


def test_a_list_of_too_many_elements_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = encode_witness(Witness(state=[bytes([each]) for each in range(5)], codes=[], headers=[]))
    monkeypatch.setattr(witness_file, "MAX_ELEMENTS", 5)
    assert len(decode_witness(encoded).state) == 5
    monkeypatch.setattr(witness_file, "MAX_ELEMENTS", 4)
    with pytest.raises(WitnessFileError, match="first offset 20"):
        decode_witness(encoded)


@given(st.binary(max_size=120))
def test_a_random_witness_section_is_refused_or_lies_within_its_bytes(section: bytes) -> None:
    for data in (section, words(12, 12, 12) + section, words(12, 12 + len(section), 12 + len(section)) + section):
        try:
            witness = decode_witness(data)
        except WitnessFileError:
            continue
        total = sum(len(element) for part in (witness.state, witness.codes, witness.headers) for element in part)
        assert total <= len(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {"chain_id": 2**64},
        {"chain_id": -1},
        {"number": 2**64},
        {"hash": bytes(31)},
        {"extra": dict.fromkeys(range(9, 9 + MAX_SECTIONS), b"")},
    ],
)
def test_content_that_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(WitnessFileError):
        encode_witness_file(replace(worked_example.content(), **wrong))


def test_content_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_file, "MAX_LENGTH", len(EXAMPLE))
    assert encode_witness_file(worked_example.content()) == EXAMPLE
    monkeypatch.setattr(witness_file, "MAX_LENGTH", len(EXAMPLE) - 1)
    with pytest.raises(WitnessFileError, match=f"{len(EXAMPLE)} bytes"):
        encode_witness_file(worked_example.content())


# On the file system.


def test_write_and_map(tmp_path: Path) -> None:
    content = worked_example.content()
    for sync in (True, False):
        path = write_witness_file(content, tmp_path, sync=sync)
        assert path.name == f"2-{content.hash.hex()}.witness"
        assert path.read_bytes() == EXAMPLE
        assert path.stat().st_mode & 0o777 == 0o444
        assert comparable(map_witness_file(path)) == comparable(content)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_nothing_is_copied(tmp_path: Path) -> None:
    mapped = map_witness_file(write_witness_file(worked_example.content(), tmp_path, sync=False))
    for part in (mapped.block, mapped.chain_config, *mapped.witness.state, *mapped.witness.headers):
        assert isinstance(part, memoryview)
        assert part.readonly


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        publish(["text"], tmp_path / "x.witness")  # type: ignore[list-item]
    (tmp_path / "y.witness").mkdir()
    with pytest.raises(OSError, match=r"y\.witness"):
        publish([b"data"], tmp_path / "y.witness", sync=False)
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(TEMPORARY_PREFIX)]


@pytest.mark.parametrize("taken", [0, 1, 3, 4, 10, 4000])
def test_all_is_written_however_little_the_system_takes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    write = os.write
    monkeypatch.setattr(os, "writev", lambda file, batch: write(file, b"".join(batch)[:taken]))
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:2]))
    parts: list[Octets] = [b"abc", b"", memoryview(b"d"), *(bytes([index % 251]) for index in range(3000))]
    publish(parts, tmp_path / "x.witness", sync=False)
    assert (tmp_path / "x.witness").read_bytes() == b"".join(parts)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("fifo", "directory"):
        with pytest.raises(WitnessFileError, match=f"{name}: not a regular file"):
            map_witness_file(tmp_path / name)
    for name in ("dangling", "absent"):
        with pytest.raises(WitnessFileError, match=f"{name}: No such file"):
            map_witness_file(tmp_path / name)
    with pytest.raises(WitnessFileError, match="/dev/zero: not a regular file"):
        map_witness_file(Path("/dev/zero"))


@pytest.mark.parametrize("length", [0, 1, 63, 64, 100])
def test_short_files_are_refused(tmp_path: Path, length: int) -> None:
    (tmp_path / "short").write_bytes(EXAMPLE[:length])
    with pytest.raises(WitnessFileError, match="short"):
        map_witness_file(tmp_path / "short")


def test_a_file_larger_than_allowed_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAX_LENGTH + 1)  # sparse
    with pytest.raises(WitnessFileError, match="no size"):
        map_witness_file(tmp_path / "large")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = write_witness_file(worked_example.content(), tmp_path, sync=False)
    path.chmod(0)
    with pytest.raises(WitnessFileError, match="denied"):
        map_witness_file(path)


# What belongs together.


def test_block_hash_and_number_are_bound() -> None:
    content = block_witness(9)
    assert check_binding(content).number == 9
    for wrong, reason in (
        (replace(content, hash=bytes(32)), "not the hash"),
        (replace(content, number=10), "number 9"),
        (replace(content, block=b"\x80"), "block"),
        (replace(content, block=b"\xc1\xc0", hash=keccak256(b"\xc0")), "0 fields"),
        (replace(content, block=bytes(content.block) + b"\0"), "after the end"),
    ):
        with pytest.raises(WitnessFileError, match=reason):
            check_binding(wrong)


def test_the_pre_state_root_is_the_parents_only() -> None:
    content = block_witness(9)
    header = check_binding(content)
    assert parent_state_root(content, header) == keccak256(content.witness.state[0])
    for headers in ([], content.witness.headers[:1], chain(2, 7), [*content.witness.headers, b"\xc0"]):
        other = replace(content, witness=replace(content.witness, headers=headers))
        assert parent_state_root(other, header) is None


def test_a_parent_header_with_the_right_hash_that_is_none_is_an_error() -> None:
    content = block_witness(9)
    junk = b"\xc1\x80"
    header = replace(check_binding(content), parent_hash=keccak256(junk))
    other = replace(content, witness=replace(content.witness, headers=[junk]))
    with pytest.raises(WitnessError, match="1 fields"):
        parent_state_root(other, header)
