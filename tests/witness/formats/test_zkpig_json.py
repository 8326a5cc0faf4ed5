"""zkpig's document, both ways."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.witness.examples import block_witness
from tests.witness.formats.strategies import contents, damaged, without_producer
from tests.witness.real_data import PRAGUE_BLOCK, ZKPIG, needs_real_data
from witness.errors import WitnessError, WitnessFormatError
from witness.formats import load
from witness.formats.assembly import assemble
from witness.formats.loading import read_document
from witness.formats.zkpig_json import document_of, parts_from_json
from witness.model import BlockWitness


@given(contents())
@settings(deadline=None)
def test_round_trip(content: BlockWitness) -> None:
    document = json.loads(json.dumps(document_of(content)))
    assert without_producer(assemble(parts_from_json(document))) == without_producer(content)


@needs_real_data
def test_the_real_document() -> None:
    """The same block and witness as in block JSON; what we write of it is what zkpig wrote, but for `extra`."""
    (content,), (other,) = load(ZKPIG), load(PRAGUE_BLOCK)
    assert (content.hash, content.block, content.witness) == (other.hash, other.block, other.witness)
    document = json.loads(read_document(ZKPIG))
    written = document_of(content)
    assert sorted(written["witness"]["state"]) == sorted(document["witness"]["state"])
    assert sorted(written["witness"]["codes"]) == sorted(document["witness"]["codes"])
    assert written["witness"]["ancestors"] == document["witness"]["ancestors"]
    assert written["chainConfig"] == document["chainConfig"]
    (ours,), (theirs,) = written["blocks"], document["blocks"]
    assert (ours["header"], ours["uncles"], ours["withdrawals"]) == tuple(
        theirs[name] for name in ("header", "uncles", "withdrawals")
    )
    for transaction, original in zip(ours["transaction"], theirs["transaction"], strict=True):
        # zkpig repeats the parity as v, and gives a legacy transaction's chain id.
        assert {name: original.get(name) for name in transaction} == transaction
        assert {name for name in original if original[name] is not None} - transaction.keys() <= {"v", "chainId"}


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("blocks",), [], "0 blocks"),
        (("blocks",), None, "0 blocks"),
        (("blocks", 0), "0x", "blocks\\[0\\] is not a JSON object"),
        (("blocks", 0, "header"), None, "blocks\\[0\\].header is not"),
        (("blocks", 0, "transaction"), [], "transactions root"),
        (("witness",), [], "witness is not a JSON object"),
        (("witness", "state"), [7], "witness.state\\[0\\]"),
        (("witness", "ancestors"), [None], "witness.ancestors\\[0\\]"),
        (("chainConfig",), None, "chainConfig is not a JSON object"),
    ],
)
def test_wrong_documents_are_refused(path: tuple[Any, ...], value: Any, reason: str) -> None:
    document = copy.deepcopy(document_of(block_witness(9)))
    *containers, last = path
    place: Any = document
    for key in containers:
        place = place[key]
    place[last] = value
    with pytest.raises(WitnessFormatError, match=reason):
        assemble(parts_from_json(document))


def test_two_blocks_are_refused() -> None:
    document = document_of(block_witness(9))
    document["blocks"] *= 2
    with pytest.raises(WitnessFormatError, match="2 blocks"):
        parts_from_json(document)


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_document_is_refused_or_still_of_its_block(data: st.DataObject) -> None:
    content = block_witness(9)
    try:
        loaded = assemble(parts_from_json(data.draw(damaged(document_of(content)))))
    except WitnessError:
        return
    # Without a stated hash the header is what it says; everything else hangs on the roots in it.
    if loaded.hash == content.hash:
        assert loaded.block == content.block
