"""geth's witness RLP."""

from pathlib import Path

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from tests.witness.examples import block_witness, chain
from tests.witness.formats.strategies import contents, without_producer
from tests.witness.real_data import PRAGUE_BLOCK, needs_real_data
from witness.errors import WitnessFormatError
from witness.formats import detect, load
from witness.formats.geth_rlp import decode_witness_rlp, encode_witness_rlp
from witness.model import BlockWitness, Witness


@given(contents())
def test_round_trip(content: BlockWitness) -> None:
    encoded = encode_witness_rlp(content.witness)
    witness = decode_witness_rlp(memoryview(encoded))
    assert [bytes(each) for each in witness.state] == content.witness.state
    assert [bytes(each) for each in witness.codes] == content.witness.codes
    assert [bytes(each) for each in witness.headers] == content.witness.headers
    assert encode_witness_rlp(witness) == encoded
    assert detect(encoded) == "geth_rlp"


def test_the_layout_is_geths() -> None:
    """Headers as lists, then codes, nodes and keys as strings; sorted."""
    headers = chain(2)
    encoded = encode_witness_rlp(Witness(state=[b"z", b"y", b"z"], codes=[b"b", b"a"], headers=headers))
    assert encoded == rlp.encode([[rlp.decode(header) for header in headers], [b"a", b"b"], [b"y", b"z"], []])


def test_keys_are_passed_over_and_may_be_left_out() -> None:
    headers = [rlp.decode(header) for header in chain(1)]
    with_keys = decode_witness_rlp(rlp.encode([headers, [b"c"], [b"n"], [b"key"]]))
    without = decode_witness_rlp(rlp.encode([headers, [b"c"], [b"n"]]))
    assert with_keys == without == Witness(state=[b"n"], codes=[b"c"], headers=chain(1))


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        rlp.encode(b"string"),
        rlp.encode([]),
        rlp.encode([[], []]),
        rlp.encode([[], [], [], [], []]),
        rlp.encode([[], b"", []]),
        rlp.encode([[b"header"], [], []]),
        rlp.encode([[], [[b"code"]], []]),
        rlp.encode([[], [], [[b"node"]]]),
        rlp.encode([[], [], []]) + b"\0",
        rlp.encode([[], [], [b"node"]])[:-1],
    ],
)
def test_other_rlp_is_refused(wrong: bytes) -> None:
    with pytest.raises(WitnessFormatError):
        decode_witness_rlp(wrong)


@given(st.binary(max_size=100), st.data())
def test_damage_is_refused_or_read_as_it_stands(junk: bytes, data: st.DataObject) -> None:
    encoded = bytearray(encode_witness_rlp(block_witness(9).witness))
    for at in data.draw(st.lists(st.integers(0, len(encoded) - 1), max_size=4)):
        encoded[at] = data.draw(st.integers(0, 255))
    for document in (junk, b"\xf8" + junk, bytes(encoded)):
        try:
            witness = decode_witness_rlp(document)
        except WitnessFormatError:
            continue
        total = sum(len(each) for part in (witness.state, witness.codes, witness.headers) for each in part)
        assert total < len(document)


@needs_real_data
def test_a_real_witness_with_its_block_beside_it(tmp_path: Path) -> None:
    (content,) = load(PRAGUE_BLOCK)
    (tmp_path / "w.rlp").write_bytes(encode_witness_rlp(content.witness))
    (tmp_path / "w.block").write_bytes(content.block)
    (loaded,) = load(tmp_path / "w.rlp")
    assert without_producer(loaded)[:-2] == without_producer(content)[:-2]
