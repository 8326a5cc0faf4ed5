"""Recording of block files and tests, as a service and as `verifier record`."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rlp
from click.testing import CliRunner, Result

from verifier.cli.record import record as record_command
from verifier.errors import InputError, UnknownBlockError, UsageError, VerifierError
from verifier.executors.stateful.errors import UndecodableBlockError, UnsupportedForkError
from verifier.executors.stateful.fake import FakeStatefulExecutor, MemorySink
from verifier.executors.stateful.genesis import Genesis
from verifier.services.conformance.loaders.genesis import load_genesis
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from verifier.services.recording import RecordEvent, RecordOptions, RecordSummary, Status, directory_name, record
from witness.header import decode_block_header
from witness.store import WitnessStore

CHAIN = Path(__file__).parents[3] / "fixtures" / "chain"
GENESIS = CHAIN / "genesis.json"
BLOCKS = tuple(load_blocks(CHAIN / "chain.rlp"))


def block_file(path: Path, blocks: tuple[bytes, ...]) -> Path:
    path.write_bytes(b"".join(blocks))
    return path


def options(tmp_path: Path, **rest: Any) -> RecordOptions:
    return RecordOptions(**{"out": tmp_path / "out", "genesis": GENESIS, "sync": False, **rest})


def statuses(events: Iterator[RecordEvent]) -> list[Status]:
    return [event.status for event in events]


def invalid_block(block: bytes) -> bytes:
    fields = list(rlp.decode(block))
    fields[0] = [*fields[0][:3], bytes(32), *fields[0][4:]]  # the state root
    return bytes(rlp.encode(fields))


def fixture_test(blocks: list[dict[str, Any]], last: bytes | None = None) -> dict[str, Any]:
    """A BlockchainTest over the sample chain's genesis: of network Shanghai, as block 0 is."""
    document = json.loads(GENESIS.read_text())
    genesis = load_genesis(GENESIS)
    from verifier.executors.stateful.embedded.initial_state import build_genesis
    from verifier.services.conformance.loaders.blockchain_test import HEADER_KEYS

    fields = rlp.decode(build_genesis(genesis)[0])
    header = {key: f"0x{value.hex()}" for (key, _), value in zip(HEADER_KEYS, fields, strict=False)}
    test: dict[str, Any] = {
        "network": "Shanghai",
        "config": {"chainid": hex(document["config"]["chainId"])},
        "genesisBlockHeader": header,
        "pre": {f"0x{address}": account for address, account in document["alloc"].items()},
        "blocks": blocks,
    }
    if last is not None:
        test["lastblockhash"] = f"0x{last.hex()}"
    return test


def entry(block: bytes, **rest: Any) -> dict[str, Any]:
    valid = "expectException" not in rest
    header = {"blockHeader": {"hash": f"0x{decode_block_header(block).hash.hex()}"}} if valid else {}
    return {"rlp": f"0x{block.hex()}", **header, **rest}


def write_tests(path: Path, tests: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps(tests).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_second_run_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    first = block_file(tmp_path / "first.rlp", BLOCKS[:2])
    assert statuses(record(first, options(tmp_path))) == [Status.RECORDED] * 2
    second = block_file(tmp_path / "second.rlp", BLOCKS[:4])
    events = list(record(second, options(tmp_path)))
    assert [event.status for event in events] == [Status.SKIPPED] * 2 + [Status.RECORDED] * 2
    assert events[0].reason == "in the chain already"
    with WitnessStore(tmp_path / "out") as store:
        assert [stored.number for stored in store] == [1, 2, 3, 4]


def test_invalid_block_is_recorded_and_said(tmp_path: Path) -> None:
    bad = invalid_block(BLOCKS[1])
    source = block_file(tmp_path / "chain.rlp", (BLOCKS[0], bad, BLOCKS[1]))
    events = list(record(source, options(tmp_path)))
    assert [event.status for event in events] == [Status.RECORDED, Status.INVALID, Status.RECORDED]
    assert "state root" in events[1].reason
    assert events[1].path is not None
    assert events[1].path.exists()


def test_block_file_errors_leave_what_was_recorded(tmp_path: Path) -> None:
    for name, rest, error in (
        ("unknown", BLOCKS[5], UnknownBlockError),
        ("undecodable", b"\xc1\x80", UndecodableBlockError),
        ("truncated", BLOCKS[1][:-1], InputError),
    ):
        source = block_file(tmp_path / f"{name}.rlp", (BLOCKS[0], rest))
        events = record(source, options(tmp_path, out=tmp_path / name))
        assert next(events).status is Status.RECORDED
        with pytest.raises(error):
            next(events)
        with WitnessStore(tmp_path / name) as store:
            assert len(list(store)) == 1


def test_usage_errors(tmp_path: Path) -> None:
    source = block_file(tmp_path / "chain.rlp", BLOCKS[:1])
    tests = write_tests(tmp_path / "test.json", {"a": fixture_test([entry(BLOCKS[0])])})
    for path, wrong, error in (
        (source, {"genesis": None}, UsageError),
        (source, {"test": "a"}, UsageError),
        (tests, {"genesis": tmp_path / "absent"}, InputError),
        (tests, {"genesis": None, "test": "b"}, UsageError),
        (tmp_path / "absent", {}, InputError),
    ):
        with pytest.raises(error):
            list(record(path, options(tmp_path, **wrong)))


@pytest.mark.parametrize("genesis", ["own", "given", "of tests"])
def test_a_genesis_beside_a_test(tmp_path: Path, genesis: str) -> None:
    tests = write_tests(tmp_path / "test.json", {"a": fixture_test([entry(BLOCKS[0])])})
    path = {"own": None, "given": GENESIS, "of tests": tests}[genesis]
    (event,) = record(tests, options(tmp_path, genesis=path))
    assert event.status is Status.RECORDED


def test_single_test_is_recorded_into_the_directory_itself(tmp_path: Path) -> None:
    head = decode_block_header(BLOCKS[1]).hash
    bad = entry(invalid_block(BLOCKS[1]), expectException="BlockException.INVALID_STATE_ROOT")
    test = fixture_test([entry(BLOCKS[0]), bad, entry(BLOCKS[1])], head)
    source = write_tests(tmp_path / "test.json.gz", {"one": test})
    events = list(record(source, options(tmp_path, genesis=None)))
    assert [event.status for event in events] == [Status.RECORDED, Status.INVALID, Status.RECORDED]
    assert not any(event.disagreement for event in events)
    with WitnessStore(tmp_path / "out") as store:
        assert len(list(store)) == 3


def test_disagreement_is_said(tmp_path: Path) -> None:
    blocks = [
        entry(BLOCKS[0], expectException="BlockException.INVALID_STATE_ROOT"),
        {**entry(BLOCKS[1]), "rlp": f"0x{invalid_block(BLOCKS[1]).hex()}", "blockHeader": {}},
    ]
    source = write_tests(tmp_path / "test.json", {"one": fixture_test(blocks, bytes(32))})
    events = list(record(source, options(tmp_path, genesis=None)))
    assert [event.disagreement for event in events] == [
        "the fixture says invalid (BlockException.INVALID_STATE_ROOT)",
        "the fixture says valid",
        f"the fixture ends with 0x{bytes(32).hex()}",
    ]
    summary = RecordSummary()
    for event in events:
        summary.add(event)
    assert str(summary) == "1 recorded, 1 invalid, 3 DISAGREEMENTS with the fixture"


def test_undecodable_block_of_a_test_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    garbage = {"rlp": "0xc180", "expectException": "BlockException.RLP_STRUCTURES_ENCODING"}
    source = write_tests(tmp_path / "test.json", {"one": fixture_test([garbage, entry(BLOCKS[0])])})
    events = list(record(source, options(tmp_path, genesis=None)))
    assert [event.status for event in events] == [Status.REFUSED, Status.RECORDED]
    assert not any(event.disagreement for event in events)


def test_payload_with_another_hash_than_stated_is_refused(tmp_path: Path) -> None:
    lying = {**entry(BLOCKS[0]), "blockHeader": {"hash": f"0x{bytes(32).hex()}"}}
    source = write_tests(tmp_path / "test.json", {"one": fixture_test([lying])})
    (event,) = record(source, options(tmp_path, genesis=None))
    assert event.status is Status.REFUSED
    assert "is stated" in event.reason


def test_directory_of_tests(tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    good = fixture_test([entry(BLOCKS[0])])
    write_tests(suite / "a.json", {"one/with: odd ♥ name": good, "two": good})
    write_tests(suite / "deep" / "b.json.gz", {"two": {**good, "network": "Amsterdam"}})
    write_tests(suite / "manifest.json", {"not": "tests"})
    events = list(record(suite, options(tmp_path, genesis=None)))
    assert [event.status for event in events] == [Status.RECORDED, Status.RECORDED, Status.NOTE, Status.UNSUPPORTED]
    assert "left out" in next(event.reason for event in events if event.status is Status.NOTE)
    directories = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(directories) == 2  # nothing is published for the unsupported one
    assert directories[0].startswith("one_with_odd_name-")
    chosen = list(record(suite, options(tmp_path, genesis=None, test="odd", out=tmp_path / "chosen")))
    assert [event.test for event in chosen if event.test] == ["one/with: odd ♥ name"]
    assert list((tmp_path / "chosen").glob("*.witness"))


def test_seam_takes_another_executor(tmp_path: Path) -> None:
    from verifier.executors.stateful.embedded.initial_state import build_genesis

    class Closable(FakeStatefulExecutor):
        closed = False

        def close(self) -> None:
            self.closed = True

    opened: list[Closable] = []

    def open_fake(state: Path, genesis: Genesis, sink: object, sync: bool) -> Closable:
        opened.append(Closable(build_genesis(genesis)[0], invalid={decode_block_header(BLOCKS[2]).hash: "because"}))
        return opened[-1]

    source = block_file(tmp_path / "chain.rlp", BLOCKS[:3])
    events = record(source, options(tmp_path), open_fake)
    assert statuses(events) == [Status.RECORDED, Status.RECORDED, Status.INVALID]
    assert opened[0].closed


def test_fake_rolls_back() -> None:
    from verifier.executors.stateful.embedded.initial_state import build_genesis

    fake = FakeStatefulExecutor(build_genesis(load_genesis(GENESIS))[0], rollback_depth=1)
    outcomes = [fake.import_block(block) for block in BLOCKS[:3]]
    assert fake.rollback(outcomes[1].block.hash) == fake.head() == outcomes[1].block
    for wrong, error in ((bytes(32), UnknownBlockError),):
        with pytest.raises(error):
            fake.rollback(wrong)
    with pytest.raises(UndecodableBlockError):
        fake.import_block(b"")
    assert MemorySink().published == {}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(record_command, [str(argument) for argument in arguments], standalone_mode=False)


def test_command(tmp_path: Path) -> None:
    source = block_file(tmp_path / "chain.rlp", (*BLOCKS[:2], invalid_block(BLOCKS[2])))
    command = ("--genesis", GENESIS, "--blocks", source, "--out", tmp_path / "out", "--no-sync")
    result = run(*command)
    assert result.return_value == 0
    lines = result.output.splitlines()
    assert lines[0].startswith("recorded block 1 0x")
    assert lines[2].startswith("invalid block 3 0x")
    assert ": state root: header 0x" in lines[2]
    assert lines[-1] == f"2 recorded, 1 invalid in {tmp_path / 'out'}"
    again = run(*command)
    assert again.output.splitlines()[-1] == f"0 recorded, 1 invalid, 2 skipped in {tmp_path / 'out'}"


def test_command_says_disagreements_and_errors(tmp_path: Path) -> None:
    wrong = entry(BLOCKS[0], expectException="BlockException.INVALID_STATE_ROOT")
    source = write_tests(tmp_path / "test.json", {"one": fixture_test([wrong])})
    result = run("--blocks", source, "--out", tmp_path / "out", "--no-sync")
    assert result.return_value == 1
    assert result.output.startswith("DISAGREEMENT: recorded block 1 ")
    chain = block_file(tmp_path / "chain.rlp", (BLOCKS[0], BLOCKS[2]))
    failed = run("--genesis", GENESIS, "--blocks", chain, "--out", tmp_path / "two", "--no-sync")
    assert isinstance(failed.exception, VerifierError)
    assert failed.exception.exit_code == 2
    assert failed.output.splitlines()[-1].startswith("1 recorded in ")
    assert issubclass(UnsupportedForkError, VerifierError)


@pytest.mark.parametrize("test", ["half \ud800", "\udcff", "\ud83d\ude00"])
def test_any_name_that_json_can_carry_has_a_directory(test: str) -> None:
    name = directory_name(Path("suite/\udcff.json"), test)
    assert name.isascii()
    assert name != directory_name(Path("suite/\udcff.json"), f"{test} ")
    assert directory_name(Path("a.json"), "[test]") == "test-af4d024a"
