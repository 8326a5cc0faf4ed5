"""The worked example of docs/witness-format.md, written by the code that writes witness files.

`python -m tests.witness.worked_example` writes the section anew; a test compares it.
"""

import hashlib
from pathlib import Path

from tests.witness.examples import EMPTY_LIST_HASH
from witness.file import HEADER, OPTIONAL_KINDS, REQUIRED_KINDS, SECTION, encode_witness_file
from witness.header import FIELDS, QUANTITY, keccak256
from witness.model import BlockWitness, Witness
from witness.rlp_encoding import Item, encode_integer, encode_item, encode_list
from witness.trie import EMPTY_ROOT

DOCUMENT = Path(__file__).parents[2] / "docs" / "witness-format.md"
TITLE = "## Worked example\n"
NAMES = {**dict(zip(REQUIRED_KINDS, ("block", "witness", "chain_config"), strict=True)), **OPTIONAL_KINDS}
NODES = [b"\xc8\x83\x20\x12\x34\x83abc", b"\xc5\x20\x83xyz"]  # two leaves; no trie of this block names them
CODES = [b"\x60\x01\x60\x02\x01"]


def frontier_header(number: int, parent_hash: bytes) -> bytes:
    """A header of the first fork: 15 fields, nearly all of them zero."""
    given: dict[str, bytes | int] = {
        "parent_hash": parent_hash,
        "uncles_hash": EMPTY_LIST_HASH,
        "state_root": EMPTY_ROOT,
        "transactions_root": EMPTY_ROOT,
        "receipts_root": EMPTY_ROOT,
        "difficulty": 131072,
        "number": number,
        "gas_limit": 5000,
        "timestamp": 10 * number,
    }
    fields: list[Item] = []
    for name, length in FIELDS[:15]:
        value = given.get(name, 0 if length == QUANTITY else bytes(max(length, 0)))
        fields.append(encode_integer(value) if isinstance(value, int) else value)
    return encode_item(fields)


def content() -> BlockWitness:
    """Block 2 of a chain with id 7, without transactions; its parent is block 1."""
    parent = frontier_header(1, bytes(32))
    header = frontier_header(2, keccak256(parent))
    return BlockWitness(
        chain_id=7,
        number=2,
        hash=keccak256(header),
        block=encode_list(header + b"\xc0\xc0"),
        witness=Witness(state=NODES, codes=CODES, headers=[parent]),
        chain_config=b'{"chainId":7}',
        producer=b'{"name":"example","version":"1"}',
    )


def dump(data: bytes, start: int) -> list[str]:
    """Lines of 16 bytes with their offsets; a run of lines like the one before is one `*`."""
    lines: list[str] = []
    previous = b""
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        if row == previous:
            if lines[-1] != "*":
                lines.append("*")
            continue
        previous = row
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{start + at:04x}  {row.hex(' '):<47}  {text}")
    return lines


def section() -> str:
    """The section of the document, title included."""
    data = encode_witness_file(content())
    magic, version, count, total, checksum, chain_id, number, _ = HEADER.unpack_from(data)
    lines = [
        TITLE,
        f"Block 2 of chain 7, with its parent's header, two nodes and one code: {len(data)} bytes, SHA-256",
        f"`{hashlib.sha256(data).hexdigest()}`.",
        "`python -m tests.witness.worked_example` writes this section; a test compares it with what the code writes.",
        "In dumps, `*` stands for further lines like the one above it.",
        "",
        "```",
        f"header: magic {magic.decode()}, version {version}, {count} sections, {total} bytes, CRC-32 {checksum:#010x}, "
        f"chain {chain_id}, block {number}, hash",
        *dump(data[: HEADER.size], 0),
    ]
    table_end = HEADER.size + SECTION.size * count
    sections = list(SECTION.iter_unpack(data[HEADER.size : table_end]))
    for index, (kind, crc, offset, length) in enumerate(sections):
        at = HEADER.size + SECTION.size * index
        lines += ["", f"table: kind {kind} ({NAMES[kind]}), CRC-32 {crc:#010x}, offset {offset:#x}, {length} bytes"]
        lines += dump(data[at : at + SECTION.size], at)
    position = table_end
    for kind, _, offset, length in sections:
        padding = f", after {offset - position} bytes of padding" if offset > position else ""
        lines += ["", f"section {NAMES[kind]}{padding}"]
        lines += dump(data[offset : offset + length], offset)
        position = offset + length
    lines += ["```", ""]
    witness = data[sections[1][2] :]
    state, codes, headers = (int.from_bytes(witness[at : at + 4], "little") for at in (0, 4, 8))
    first, second = (int.from_bytes(witness[state + at : state + at + 4], "little") for at in (0, 4))
    lines += [
        f"The witness section starts with the offsets of its lists: `state` at {state:#x}, `codes` at {codes:#x}, "
        f"`headers` at {headers:#x}.",
        f"`state` starts with the offsets of its elements, {first} and {second}: two elements, of {second - first} and "
        f"{codes - state - second} bytes.",
        "They are sorted: `c5…` stands before `c8…`, though it was given second.",
        "",
    ]
    return "\n".join(lines)


def with_section(document: str) -> str:
    """`document` with the section in the place of an earlier one, or at its end."""
    before, title, after = document.partition(TITLE)
    following = after.find("\n## ")
    rest = after[following + 1 :] if title and following >= 0 else ""
    return before.rstrip("\n") + "\n\n" + section() + ("\n" + rest if rest else "")


if __name__ == "__main__":
    DOCUMENT.write_text(with_section(DOCUMENT.read_text()))
