"""What every recorder owes: words on each block, a witness file of each that others can be asked about."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import rlp

from verifier.domain.conformance import ReasonClass, Said
from verifier.errors import AdapterUnavailableError, ExecutorError
from verifier.executors.stateful.errors import UnsupportedForkError
from verifier.services.conformance.case import CaseBlock, Recorded, Recorder
from verifier.services.conformance.recorders.client import ClientRecorder
from verifier.services.conformance.recorders.embedded import EmbeddedRecorder
from witness.chain_config import encode_chain_config, parse_chain_config
from witness.file import check_binding, map_witness_file
from witness.header import decode_block_header

from .recording import AnyRecorder, changed, geth_manifest, open_recorder, sample_blocks, sample_case


@pytest.fixture(params=["pyevm", "geth"], scope="module")
def recorder(request: pytest.FixtureRequest) -> Iterator[AnyRecorder]:
    """Each of them, for all tests of this module."""
    with open_recorder(request.param) as opened:
        yield opened


def recorded(recorder: Recorder, directory: Path, *blocks: CaseBlock) -> list[Recorded]:
    """What is recorded of blocks on the sample chain's genesis, checked as far as it holds of any."""
    found = [each for each in recorder.record(sample_case(*blocks), directory) if isinstance(each, Recorded)]
    assert [each.index for each in found] == list(range(len(blocks)))
    for each, block in zip(found, blocks, strict=True):
        assert (each.answer.client, each.answer.stateful) == (recorder.name, True)
        assert (each.path is None) == (each.content is None)
        if each.path is not None and each.content is not None:
            mapped = map_witness_file(each.path)
            for kind in ("state", "codes", "headers"):
                assert list(getattr(mapped.witness, kind)) == list(getattr(each.content.witness, kind))
            assert bytes(mapped.block) == block.encoded
            assert check_binding(mapped).hash == each.content.hash
            assert each.path.parent == directory / str(each.index)
    return found


def test_a_chain_is_imported(recorder: AnyRecorder, tmp_path: Path) -> None:
    found = recorded(recorder, tmp_path, *map(CaseBlock, sample_blocks()))
    assert {each.answer.said for each in found} == {Said.VALID}
    assert all(each.answer.ms > 0 and not each.answer.reason and not each.classes for each in found)
    assert len(list(tmp_path.iterdir())) == len(sample_blocks())


def test_invalid_blocks_have_a_witness_and_change_nothing(recorder: AnyRecorder, tmp_path: Path) -> None:
    first, second = sample_blocks()[:2]
    wrong_result = changed(first, state_root=bytes(32), gas_used=b"\x01")
    wrong_header = changed(first, timestamp=b"")
    blocks = (first, wrong_result, wrong_header, second)
    found = recorded(recorder, tmp_path, *map(CaseBlock, blocks))
    assert [str(each.answer.said) for each in found] == ["valid", "invalid", "invalid", "valid"]
    assert all(each.path is not None for each in found)
    result, header = found[1], found[2]
    assert {"state_root", "gas_used"} <= set(result.answer.fields)
    assert result.answer.reason.startswith("differs: ")
    assert result.answer.classes == result.classes == {ReasonClass.RESULT}
    assert header.answer.reason.startswith("broken_rule: timestamp: ")
    assert header.answer.classes == {ReasonClass.HEADER}
    assert not header.answer.fields


def test_a_block_that_is_there_already_is_recorded_again(recorder: AnyRecorder, tmp_path: Path) -> None:
    first = CaseBlock(sample_blocks()[0])
    found = recorded(recorder, tmp_path, first, first)
    assert found[1].answer.said is Said.VALID


def test_blocks_with_the_same_header_have_files_of_their_own(recorder: AnyRecorder, tmp_path: Path) -> None:
    """As many tests have them: a body that is not the header's, and then the one that is."""
    first = sample_blocks()[0]
    header, transactions, *rest = rlp.decode(first)
    other = bytes(rlp.encode([header, transactions[:-1], *rest]))
    found = recorded(recorder, tmp_path, CaseBlock(other), CaseBlock(first), CaseBlock(other))
    assert [str(each.answer.said) for each in found] == ["invalid", "valid", "invalid"]
    assert len({each.content.hash for each in found if each.content is not None}) == 1


def test_nobody_is_asked_about_what_is_no_block(recorder: AnyRecorder, tmp_path: Path) -> None:
    first, second = sample_blocks()[:2]
    found = recorded(
        recorder,
        tmp_path,
        CaseBlock(b""),
        CaseBlock(b"\xc0"),
        CaseBlock(second),
        CaseBlock(first, stated_hash=bytes(32)),
        CaseBlock(first, stated_hash=decode_block_header(first).hash),
    )
    rules = [each.answer.reason.split(": ")[1] for each in found[:-1]]
    assert rules == ["block_encoding", "block_encoding", "parent", "block_hash"]
    assert {each.answer.said for each in found[:-1]} == {Said.INVALID}
    assert [each.path for each in found[:-1]] == [None] * 4
    assert found[2].answer.classes == {ReasonClass.PARENT}
    assert found[-1].answer.said is Said.VALID


def test_a_fork_that_it_lacks_ends_the_test(recorder: AnyRecorder, tmp_path: Path) -> None:
    case = sample_case(CaseBlock(sample_blocks()[0]))
    assert case.genesis is not None
    unknown = {"pyevm": "amsterdamTime", "geth": "someTime"}[recorder.name]
    document = {**case.genesis.config.document, unknown: 0}
    config = parse_chain_config(encode_chain_config(document))
    with pytest.raises(UnsupportedForkError):
        list(recorder.record(replace(case, genesis=replace(case.genesis, config=config)), tmp_path))


def test_a_genesis_that_contradicts_itself_is_an_error(recorder: AnyRecorder, tmp_path: Path) -> None:
    case = sample_case(CaseBlock(sample_blocks()[0]))
    assert case.genesis is not None
    fields = list(case.genesis.header_fields)
    fields[3] = b"\x01" * 32
    wrong = replace(case, genesis=replace(case.genesis, header_fields=tuple(fields)))
    # In the embedded one it is bad input, in the other process no more than a failure.
    with pytest.raises(Exception, match="state root") as raised:
        list(recorder.record(wrong, tmp_path))
    assert isinstance(raised.value, ExecutorError) or recorder.name == "pyevm"


def test_sections_for_prestate_mode(tmp_path: Path) -> None:
    (found,) = recorded(EmbeddedRecorder(sections=True), tmp_path, CaseBlock(sample_blocks()[0]))
    assert found.content is not None
    assert found.content.prestate is not None
    assert found.content.poststate is not None


def test_a_client_without_a_recorder() -> None:
    manifest = geth_manifest()
    with pytest.raises(AdapterUnavailableError, match="has no recorder"):
        ClientRecorder(replace(manifest, recorder_start_command=()))
    with pytest.raises(AdapterUnavailableError, match=r"not built|toolchain"):
        ClientRecorder(replace(manifest, artifact="bin/absent"))
