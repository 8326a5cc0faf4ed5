"""What a file is, and reading it: by content, within bounds, one clear error for everything else."""

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.witness.examples import block_witness
from tests.witness.formats.strategies import without_producer
from witness.errors import ChainConfigError, WitnessError, WitnessFileError, WitnessFormatError
from witness.file import encode_witness_file, write_witness_file
from witness.formats import FORMATS, MAX_DOCUMENT, block_json, detect, load, loading, rpc_json, zkpig_json
from witness.formats.geth_rlp import encode_witness_rlp
from witness.formats.json_field import hex_octets
from witness.formats.rpc_block import block_to_objects

CONTENT = block_witness(9)


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def bare() -> Any:
    return rpc_json.document_of(CONTENT)["witness"]


DOCUMENTS = {
    "witness_file": encode_witness_file(CONTENT),
    "block_json": encoded(block_json.document_of(CONTENT)),
    "rpc_json": encoded(rpc_json.document_of(CONTENT, headers="objects")),
    "zkpig_json": encoded(zkpig_json.document_of(CONTENT)),
    "geth_rlp": encode_witness_rlp(CONTENT.witness),
}
CONFIG = bytes(CONTENT.chain_config)


def block_object() -> Any:
    header, transactions, uncles, withdrawals = block_to_objects(CONTENT.block)
    return {**header, "transactions": transactions, "uncles": uncles, "withdrawals": withdrawals}


def test_every_format_is_detected() -> None:
    assert sorted(DOCUMENTS) == sorted(FORMATS)
    for name, document in DOCUMENTS.items():
        assert detect(document) == name
    assert detect(b" \n" + encoded(bare())) == "rpc_json"
    assert detect(encoded({"jsonrpc": "2.0", "id": 1, "result": bare()})) == "rpc_json"


@pytest.mark.parametrize(
    ("name", "packed"),
    [("witness_file", False)] + [(name, packed) for name in FORMATS[1:4] for packed in (False, True)],
)
def test_every_format_is_loaded_whatever_the_file_is_called(tmp_path: Path, name: str, packed: bool) -> None:
    path = tmp_path / "document"
    path.write_bytes(gzip.compress(DOCUMENTS[name]) if packed else DOCUMENTS[name])
    (content,) = load(path)
    assert without_producer(content) == without_producer(CONTENT)


def test_a_compressed_witness_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(DOCUMENTS["witness_file"]))
    with pytest.raises(WitnessError, match=r"x\.gz: .*"):
        list(load(tmp_path / "x.gz"))


@pytest.mark.parametrize("name", ["w.json", "w.json.gz", "w.rlp", "w.rlp.gz", "w"])
@pytest.mark.parametrize("form", ["rlp", "object", "response", "hex", "gzip"])
def test_a_bare_witness_with_its_block_beside_it(tmp_path: Path, name: str, form: str) -> None:
    witness = DOCUMENTS["geth_rlp"] if "rlp" in name else encoded({"jsonrpc": "2.0", "id": 1, "result": bare()})
    (tmp_path / name).write_bytes(gzip.compress(witness) if name.endswith(".gz") else witness)
    block = {
        "rlp": bytes(CONTENT.block),
        "gzip": gzip.compress(CONTENT.block),
        "object": encoded(block_object()),
        "response": encoded({"jsonrpc": "2.0", "id": 2, "result": block_object()}),
        "hex": encoded(hex_octets(CONTENT.block)),
    }[form]
    (tmp_path / "w.block").write_bytes(block)
    (content,) = load(tmp_path / name, chain_config=CONFIG)
    assert without_producer(content) == without_producer(CONTENT)
    with pytest.raises(ChainConfigError, match="which chain"):
        list(load(tmp_path / name))


def test_a_bare_witness_without_its_block_says_where_it_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "w.rlp").write_bytes(DOCUMENTS["geth_rlp"])
    with pytest.raises(WitnessFormatError, match=r"w\.rlp: a witness without its block, .* in .*w\.block"):
        list(load(tmp_path / "w.rlp"))


def test_a_directory_is_read_in_the_order_of_numbers(tmp_path: Path) -> None:
    for number in (9, 10, 100):
        write_witness_file(block_witness(number), tmp_path, sync=False)
    (tmp_path / "11.json").write_bytes(encoded(block_json.document_of(block_witness(11))))
    (tmp_path / "README.md").write_text("not to be read")
    (tmp_path / ".hidden.json").write_text("not to be read")
    (tmp_path / "below").mkdir()
    assert [content.number for content in load(tmp_path)] == [9, 10, 11, 100]


def test_an_empty_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WitnessFormatError, match="nothing to import"):
        list(load(tmp_path))


def test_a_witness_file_whose_block_is_another_is_refused(tmp_path: Path) -> None:
    wrong = bytearray(encode_witness_file(CONTENT))
    other = block_witness(9, state=[b"\xc2\x20\x2b"])
    path = tmp_path / "x.witness"
    path.write_bytes(wrong.replace(bytes(CONTENT.block), bytes(other.block)))
    with pytest.raises(WitnessFileError, match="checksum"):
        list(load(path))
    path.write_bytes(encode_witness_file(replace(CONTENT, block=other.block)))
    with pytest.raises(WitnessFileError, match=r"x\.witness: .*not the hash"):
        list(load(path))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"text", "not JSON"),
        (b"\xff\xfe", "truncated|not geth"),
        (b"null", "no known format"),
        (b"[]", "no known format"),
        (b"{}", "no known format"),
        (b'{"block":"0x"}', "no known format"),
        (b'{"number":"0x1","parentHash":"0x"}', "a block without its witness"),
        (b'{"jsonrpc":"2.0","error":{"code":-32601}}', "JSON-RPC error"),
        (b'{"witness":{},"block":"0x"}', "state is missing"),
        (b"[" * 200_000, "not JSON"),
        (b'{"a":' + b"1" * 5000 + b"}", "not JSON"),
        (gzip.compress(b"text", mtime=0)[:-9], "truncated"),
        (gzip.compress(b"text", mtime=0)[:12] + b"\xff" * 9, "damaged|truncated"),
        (b"\x1f\x8b", "truncated"),
        (gzip.compress(b"{}", mtime=0) + b"rest", "damaged"),
    ],
)
def test_everything_else_is_refused_with_the_files_name(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "document.json"
    path.write_bytes(data)
    with pytest.raises(WitnessFormatError, match=f"document.json: .*({reason})"):
        list(load(path))


def test_several_gzip_members_are_one_document(tmp_path: Path) -> None:
    document = DOCUMENTS["block_json"]
    (tmp_path / "x").write_bytes(gzip.compress(document[:100]) + gzip.compress(document[100:]))
    assert [content.number for content in load(tmp_path / "x")] == [9]


def test_a_bomb_is_refused_before_it_unfolds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_DOCUMENT == 512 << 20
    monkeypatch.setattr(loading, "MAX_DOCUMENT", 1000)
    for name, data in (
        ("bomb", gzip.compress(b" " * 1_000_000)),
        ("members", gzip.compress(b" " * 600) * 2),
        ("plain", b" " * 1001),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(WitnessFormatError, match=f"{name}: more than 1000 bytes"):
            list(load(tmp_path / name))
    (tmp_path / "fits").write_bytes(gzip.compress(b" " * 1000))
    with pytest.raises(WitnessFormatError, match="not JSON"):
        list(load(tmp_path / "fits"))


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "absent"):
        with pytest.raises(WitnessFormatError, match=name):
            list(load(tmp_path / name))
    with pytest.raises(WitnessFormatError, match="not a regular file"):
        list(load(Path("/dev/zero")))
    (tmp_path / "w.rlp").write_bytes(DOCUMENTS["geth_rlp"])
    os.mkfifo(tmp_path / "w.block")
    with pytest.raises(WitnessFormatError, match="not a regular file"):
        list(load(tmp_path / "w.rlp"))


@given(st.binary(max_size=200))
def test_random_bytes(junk: bytes) -> None:
    for data in (junk, b"{" + junk, b"\xf8" + junk):
        try:
            assert detect(data) in FORMATS
        except WitnessFormatError:
            continue


KEYS = ["witness", "block", "blocks", "header", "state", "codes", "jsonrpc", "result"]
VALUES: list[Any] = [None, 7, {}, [], "0x"]


@given(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES)))
def test_random_documents(tmp_path_factory: pytest.TempPathFactory, document: Any) -> None:
    path = tmp_path_factory.mktemp("random") / "x"
    path.write_bytes(encoded(document))
    with pytest.raises(WitnessError):
        list(load(path))
