"""The ledger's file: what is stored is there, whatever ends the process; what is damaged is refused in one line."""

import contextlib
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verifier.ledger.writer import DECISION, GENESIS, PUT_TOGETHER, VOTES, block
from verifier.domain.block import BlockReference
from verifier.domain.quorum import Decision, Verdict
from verifier.domain.status import Anchored, BlockStatus, Concluded, ExecutorStatus, TrackedBlock, advance
from verifier.domain.vote import Difference, Vote, VoteKind
from verifier.errors import VerifierError
from verifier.ledger.errors import (
    ForeignLedgerError,
    LedgerDamagedError,
    LedgerError,
    LedgerFullError,
    LedgerInUseError,
    LedgerVersionError,
)
from verifier.ledger.schema import KEPT_DECISIONS, VERSION
from verifier.ledger.sqlite import SqliteLedger

ROUNDS = 6  # of a process that is killed while it writes
hashes = st.binary(min_size=32, max_size=32)
text = st.text(max_size=20)
names = st.frozensets(st.sampled_from(["geth", "revm", "eels"]))
tracked_blocks = st.builds(
    TrackedBlock,
    st.builds(BlockReference, st.just(1), st.integers(0, 1 << 62), hashes),
    hashes,
    hashes,
    st.integers(0, 1 << 62),
    st.sampled_from(BlockStatus),
    text,
    st.none() | st.sampled_from(ExecutorStatus),
    st.booleans(),
)
decisions = st.builds(Decision, st.sampled_from(Verdict), st.booleans(), names, names, names, st.booleans())
votes = st.builds(
    Vote,
    text,
    text,
    st.sampled_from(VoteKind),
    st.none() | text,
    st.lists(st.builds(Difference, text, text, text), max_size=3).map(tuple),
    st.floats(0, 1e6),
)


def opened(path: Path, **options: bool) -> SqliteLedger:
    return SqliteLedger(path, 1, GENESIS, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new directory" / "ledger.db"


def writer(path: Path, number: int, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.verifier.ledger.writer", str(path), str(number), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(tracked_blocks, max_size=5, unique_by=lambda each: each.block.hash), decisions, st.lists(votes))
def test_what_is_put_is_there_after_a_restart(blocks: list[TrackedBlock], decision: Decision, cast: list[Vote]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "ledger.db"
        with opened(file) as ledger:
            ledger.put(*blocks)
            ledger.record(bytes(32), decision, cast, 1.5)
        with opened(file) as ledger:
            assert sorted(ledger.blocks(), key=lambda each: each.block) == sorted(blocks, key=lambda each: each.block)
            assert ledger.decisions(bytes(32)) == [(decision, tuple(cast), 1.5)]


def test_what_clients_say_may_be_no_text(path: Path) -> None:
    with opened(path) as ledger:
        ledger.put(advance(block(1, 0), Concluded(False, "half a pair: \ud800")))
        cast = (Vote("geth", "geth", VoteKind.ABSTAIN, "\ud800"),)
        ledger.record(bytes(32), DECISION, cast, 0.0)
        assert [each.why for each in ledger.blocks()] == ["half a pair: ?"]
        assert ledger.decisions(bytes(32)) == [(DECISION, cast, 0.0)]


def test_what_a_person_types_may_be_no_text(path: Path) -> None:
    with opened(path) as ledger:
        ledger.add_word(block(1, 1).block.hash, "d\udce9j\u00e0 vu", 7.0)  # Latin-1 on a command line in UTF-8
        assert ledger.words() == [(7.0, block(1, 1).block.hash, "d?j\u00e0 vu")]


def test_numbers_that_fit_no_column(path: Path) -> None:
    huge = TrackedBlock(BlockReference(1, 1 << 255, b"\x01" * 32), bytes(32), bytes(32), 1 << 255)
    with opened(path) as ledger:
        ledger.put(huge)
        assert [(each.block.number, each.timestamp) for each in ledger.blocks()] == [((1 << 63) - 1, (1 << 63) - 1)]


def test_later_statuses_and_decisions(path: Path) -> None:
    first = block(1, 0)
    with opened(path) as ledger:
        ledger.put(first)
        ledger.put(advance(first, Anchored("configured")))
        assert list(ledger.blocks()) == [advance(first, Anchored("configured"))]
        ledger.record(first.block.hash, DECISION, (), 1.0)
        ledger.record(first.block.hash, DECISION, VOTES, 2.0)
        assert [at for _, _, at in ledger.decisions(first.block.hash)] == [1.0, 2.0]


def test_of_a_block_that_is_judged_again_and_again_the_last_decisions_are_kept(path: Path) -> None:
    """Without finality held blocks are tried every few minutes, for as long as it takes."""
    often, once = block(1, 1).block.hash, block(1, 2).block.hash
    with opened(path) as ledger:
        ledger.record(once, DECISION, VOTES, 0.0)
        for at in range(3 * KEPT_DECISIONS):
            ledger.record(often, DECISION, VOTES, float(at))
        kept = [at for _, _, at in ledger.decisions(often)]
        assert kept == [float(at) for at in range(2 * KEPT_DECISIONS, 3 * KEPT_DECISIONS)]
        assert len(ledger.decisions(once)) == 1


def test_what_is_removed_takes_its_votes_along_and_no_persons_word(path: Path) -> None:
    first, second = block(1, 0), block(2, 0)
    with opened(path) as ledger:
        ledger.put(first, second)
        ledger.record(first.block.hash, DECISION, VOTES, 1.0)
        ledger.add_word(first.block.hash, "trusted by the operator: seen elsewhere", 7.0)
        ledger.remove([first.block.hash, b"\x77" * 32])
        assert list(ledger.blocks()) == [second]
        assert ledger.decisions(first.block.hash) == []
        assert ledger.words() == [(7.0, first.block.hash, "trusted by the operator: seen elsewhere")]


def test_one_writer_and_readers_beside_it(path: Path) -> None:
    with opened(path) as ledger:
        ledger.put(block(1, 0))
        with pytest.raises(LedgerInUseError, match=r"another process is using it \(process \d+\)"):
            opened(path)
        with opened(path, read_only=True) as reader:
            ledger.put(block(2, 0))
            assert len(list(reader.blocks())) == 2
            with pytest.raises(LedgerError):
                reader.put(block(3, 0))
    opened(path).close()


def test_nothing_to_read(path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger"):
        opened(path, read_only=True)


def test_another_chain(path: Path) -> None:
    opened(path).close()
    for chain_id, genesis in ((2, GENESIS), (1, b"\x22" * 32)):
        with pytest.raises(ForeignLedgerError, match=r"a ledger of chain 1 \(genesis 0x11111111…\), not of chain"):
            SqliteLedger(path, chain_id, genesis)
    opened(path).close()


def test_somebody_elses_database(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(ForeignLedgerError, match="not a ledger of this program"):
        opened(path)


def test_a_newer_version(path: Path) -> None:
    opened(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(LedgerVersionError, match="newer version"):
        opened(path)


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="file"):
        opened(tmp_path / "file" / "ledger.db")
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        opened(tmp_path / "ledger.db")


def test_no_database(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, and it is longer than the header of one" * 20)
    with pytest.raises(LedgerDamagedError, match="not a database"):
        opened(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE blocks SET status = 'blessed'", "blessed"),
        ("UPDATE blocks SET state_root = x'00'", "not what a block looks like"),
        ("UPDATE blocks SET executor = 'MAYBE'", "MAYBE"),
        ("UPDATE blocks SET number = -1", "not what a block looks like"),
        ("DELETE FROM identity", "a ledger of no chain"),
        ("DROP TABLE blocks", "no such table"),
    ],
)
def test_content_that_nobody_wrote(path: Path, change: str, said: str) -> None:
    with opened(path) as ledger:
        ledger.put(block(1, 0))
    connection = sqlite3.connect(path)
    connection.execute(change)
    connection.commit()
    connection.close()
    with pytest.raises(LedgerError, match=said) as caught, opened(path) as ledger:
        list(ledger.blocks())
    assert "\n" not in str(caught.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_are_refused_or_change_nothing_that_is_read(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "ledger.db"
    path.unlink(missing_ok=True)
    with opened(path) as ledger:
        ledger.put(*(block(number, 0) for number in range(20)))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
    # Anything but another exception: SQLite has no checksums, so changed values may be read as they are.
    with contextlib.suppress(VerifierError), opened(path) as ledger:
        list(ledger.blocks())
        ledger.put(block(99, 0))


def test_a_killed_writer_loses_nothing_that_it_said_was_stored(path: Path) -> None:
    chance = random.Random(5)
    stored = 0
    for _ in range(ROUNDS):
        process = writer(path, stored)
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 60)):
            stored = int(process.stdout.readline()) + 1
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().splitlines()
        process.stdout.close()
        process.wait()
        stored = max([stored, *(int(line) + 1 for line in rest if line.isdecimal())])
        with opened(path) as ledger:
            found = {each.block.hash: each for each in ledger.blocks()}
            for number in range(stored):
                together = [found[block(number, place).block.hash].status for place in range(PUT_TOGETHER)]
                expected = BlockStatus.INVALID if number % 5 == 0 else BlockStatus.VERIFIED
                assert together == [expected] * PUT_TOGETHER
            # What it was about is stored as a whole or not at all.
            assert len(found) in (stored * PUT_TOGETHER, (stored + 1) * PUT_TOGETHER)
            unsaid = {each.status for each in found.values() if each.block.number == stored}
            assert len(unsaid) <= 1
            assert all(ledger.decisions(block(number, 0).block.hash) for number in range(stored))


def test_a_full_disk_drops_the_change_and_nothing_else(path: Path) -> None:
    process = writer(path, 0, "full")
    output, _ = process.communicate()
    assert process.returncode == 0
    *said, last = output.splitlines()
    match = re.fullmatch(r"full (\d+) (\d+) (.*)", last)
    assert match is not None, last
    assert match[3].startswith(f"{path}: cannot be written")
    assert int(match[2]) >= len(said) * PUT_TOGETHER
    with opened(path) as ledger:  # there is room again
        found = {each.block.hash for each in ledger.blocks()}
        assert {block(number, place).block.hash for number in range(len(said)) for place in range(3)} <= found
        ledger.put(block(1_000_000, 0))


def test_it_goes_on_when_there_is_room_again(path: Path) -> None:
    with opened(path) as ledger:
        connection = ledger._connection  # the only way to a small limit without a small disk
        connection.execute("PRAGMA max_page_count = 12")
        number = 0

        def fill() -> None:
            nonlocal number
            while True:
                ledger.put(block(number, 0))
                number += 1

        with pytest.raises(LedgerFullError, match="full"):
            fill()
        assert len(list(ledger.blocks())) == number
        connection.execute("PRAGMA max_page_count = 100000")
        ledger.put(block(number, 0))
        assert len(list(ledger.blocks())) == number + 1


FULL, NORMAL = 2, 1  # SQLite's numbers


@pytest.mark.parametrize(
    ("status", "anchor", "forced"),
    [
        (BlockStatus.VERIFIED, False, NORMAL),
        (BlockStatus.AVAILABLE, False, NORMAL),
        (BlockStatus.DISPUTED, False, FULL),
        (BlockStatus.INVALID, False, FULL),
        (BlockStatus.VERIFIED, True, FULL),
    ],
)
def test_what_closes_is_forced_to_the_disk(path: Path, status: BlockStatus, anchor: bool, forced: int) -> None:
    first = block(1, 0)
    with opened(path) as ledger:
        ledger.put(TrackedBlock(first.block, first.parent_hash, first.state_root, 1, status, "", None, anchor))
        assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (forced,)
