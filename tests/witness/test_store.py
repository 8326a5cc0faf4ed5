"""The store: index, retention, tiers, leftovers; one writer and several readers in real processes."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.witness.examples import block_witness
from witness.errors import WitnessFileError, WitnessStoreError
from witness.file import TEMPORARY_PREFIX, encode_witness_file, file_name, map_witness_file
from witness.model import BlockWitness
from witness.store import LOCK_NAME, Retention, WitnessStore

PROCESSES = multiprocessing.get_context("spawn")
PATIENCE = 60  # seconds to wait for another process before the test fails


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def numbers(store: WitnessStore) -> list[int]:
    return [stored.number for stored in store]


def witnesses(count: int) -> list[BlockWitness]:
    return [block_witness(number) for number in range(9, 9 + count)]


def test_what_is_published_is_found_by_hash_and_by_number(tmp_path: Path) -> None:
    with WitnessStore(tmp_path / "new", sync=False) as store:
        contents = witnesses(3)
        paths = [store.publish(content) for content in reversed(contents)]
        assert numbers(store) == [9, 10, 11]
        assert store.path(contents[0].hash) == paths[2] == tmp_path / "new" / file_name(9, contents[0].hash)
        opened = store.open(contents[1].hash)
        assert opened is not None
        assert (opened.number, opened.block) == (10, contents[1].block)
        assert store.path(bytes(32)) is None
        assert store.open(bytes(32)) is None
        for stored in store:
            assert stored.size == stored.path.stat().st_size


def test_a_store_that_is_not_there_is_empty_for_a_reader(tmp_path: Path) -> None:
    store = WitnessStore(tmp_path / "none")
    assert numbers(store) == []
    assert store.path(bytes(32)) is None
    assert not (tmp_path / "none").exists()


def test_the_index_is_the_directory(tmp_path: Path) -> None:
    """What another writer has left is found, what is no witness file's name is not."""
    content = block_witness(9)
    name = file_name(content.number, content.hash)
    for wrong in ("09" + name[1:], name.upper(), name + ".gz", TEMPORARY_PREFIX + "x", "readme", "9.witness"):
        (tmp_path / wrong).write_bytes(b"x")
    (tmp_path / file_name(1, bytes(32))).mkdir()
    (tmp_path / file_name(2, bytes(32))).symlink_to(tmp_path / "readme")
    store = WitnessStore(tmp_path)
    assert numbers(store) == []
    (tmp_path / name).write_bytes(encode_witness_file(content))
    assert numbers(store) == [9]
    assert store.path(content.hash) == tmp_path / name


def test_a_file_of_another_block_under_a_wrong_name_is_refused(tmp_path: Path) -> None:
    wrong = bytes(32)
    (tmp_path / file_name(9, wrong)).write_bytes(encode_witness_file(block_witness(9)))
    with pytest.raises(WitnessFileError, match="another block"):
        WitnessStore(tmp_path).open(wrong)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    content = block_witness(9)
    (tmp_path / file_name(9, content.hash)).write_bytes(encode_witness_file(content)[:-1])
    with pytest.raises(WitnessFileError, match="says"):
        WitnessStore(tmp_path).open(content.hash)


def test_retention_by_count(tmp_path: Path) -> None:
    with WitnessStore(tmp_path, Retention(count=2), sync=False) as store:
        for content in witnesses(5):
            store.publish(content)
        assert numbers(store) == [12, 13]


def test_retention_by_size_keeps_the_newest_however_large(tmp_path: Path) -> None:
    contents = witnesses(4)
    size = len(encode_witness_file(contents[0]))
    with WitnessStore(tmp_path, Retention(size=2 * size), sync=False) as store:
        for content in contents:
            store.publish(content)
        assert numbers(store) == [11, 12]
        store.publish(block_witness(20, state=[b"\xc2\x20\x2a", bytes(10_000)]))
        assert numbers(store) == [20]


def test_retention_by_age_needs_no_publication(tmp_path: Path) -> None:
    clock = Clock()
    with WitnessStore(tmp_path, Retention(age=100), sync=False, clock=clock) as store:
        for content in witnesses(3):
            store.publish(content)
            clock.now += 60
        assert numbers(store) == [10, 11]  # 9 was 120 seconds old when 11 came
        store.prune(clock.now)
        assert numbers(store) == [11]
        store.prune(clock.now + 10_000)
        assert numbers(store) == [11]  # the last one stays


def test_the_newest_stays_also_if_the_clock_was_set_back_or_its_number_is_low(tmp_path: Path) -> None:
    clock = Clock()
    with WitnessStore(tmp_path, Retention(count=1), sync=False, clock=clock) as store:
        for number in (30, 20, 10):
            store.publish(block_witness(number))
            clock.now -= 1000
            assert numbers(store) == [number]


def test_publishing_a_block_again_replaces_it(tmp_path: Path) -> None:
    with WitnessStore(tmp_path, Retention(count=2), sync=False) as store:
        first, second = witnesses(2)
        for content in (first, second, second, second):
            store.publish(content)
        assert numbers(store) == [9, 10]


def test_remove(tmp_path: Path) -> None:
    content = block_witness(9)
    with WitnessStore(tmp_path / "a", second=tmp_path / "b", sync=False) as store:
        store.publish(content)
        assert store.remove(content.hash)
        assert not store.remove(content.hash)
        assert numbers(store) == []


def test_what_is_set_aside_is_kept_elsewhere_and_no_longer_available(tmp_path: Path) -> None:
    first, second, third, unknown = witnesses(4)
    aside = tmp_path / "evidence"
    with WitnessStore(tmp_path / "new", Retention(count=1), second=tmp_path / "old", sync=False) as store:
        store.publish(first)  # moved to the second tier by the next
        path = store.publish(second)
        (tmp_path / "old" / path.name).write_bytes(path.read_bytes())  # as a crash leaves it: in both
    with WitnessStore(tmp_path / "new", Retention(count=1), second=tmp_path / "old", sync=False) as store:
        assert store.set_aside(unknown.hash, aside) is None
        for content in (first, second):
            kept = store.set_aside(content.hash, aside)
            assert kept == aside / file_name(content.number, content.hash)
            assert map_witness_file(kept).block == content.block
            assert store.path(content.hash) is None
            assert store.set_aside(content.hash, aside) is None
        assert numbers(store) == []
        assert numbers(WitnessStore(aside)) == [9, 10]
        store.publish(third)
        store.prune(float("inf"))
    assert numbers(WitnessStore(aside)) == [9, 10], "no retention applies to them"


def test_set_aside_once_more_after_a_crash_in_between(tmp_path: Path) -> None:
    content = block_witness(9)
    aside = tmp_path / "evidence"
    aside.mkdir()
    with WitnessStore(tmp_path / "new", sync=False) as store:
        path = store.publish(content)
        (aside / path.name).write_bytes(path.read_bytes())
        (aside / f"{TEMPORARY_PREFIX}x").write_bytes(b"half")
        assert store.set_aside(content.hash, aside) == aside / path.name
        assert list(aside.iterdir()) == [aside / path.name]
        assert numbers(store) == []
        gone = store.publish(block_witness(10))
        gone.unlink()  # by hand
        assert store.set_aside(block_witness(10).hash, aside) is None


def test_what_is_published_after_it_was_set_aside_is_not_available(tmp_path: Path) -> None:
    there, late, other = witnesses(3)
    aside = tmp_path / "evidence"
    with WitnessStore(tmp_path / "new", sync=False) as store:
        store.publish(there)
        assert store.set_aside(there.hash, aside) is not None
        assert store.set_aside(late.hash, aside) is None  # it is being fetched
        for content in (there, late):
            assert store.publish(content) == aside / file_name(content.number, content.hash)
        store.publish(other)
        assert numbers(store) == [other.number]
        assert numbers(WitnessStore(aside)) == [there.number, late.number]


def test_retention_moves_to_the_second_tier(tmp_path: Path) -> None:
    clock = Clock()
    first, second = tmp_path / "memory", tmp_path / "disk"
    with WitnessStore(
        first, Retention(count=1), second=second, second_retention=Retention(count=2), sync=False, clock=clock
    ) as store:
        contents = witnesses(5)
        for content in contents:
            store.publish(content)
            clock.now += 1
        assert numbers(store) == [11, 12, 13]
        assert store.path(contents[4].hash) == first / file_name(13, contents[4].hash)
        moved = store.path(contents[3].hash)
        assert moved == second / file_name(12, contents[3].hash)
        assert moved.read_bytes() == encode_witness_file(contents[3])
        assert moved.stat().st_mode & 0o777 == 0o444
        assert moved.stat().st_mtime == 1_000_003
        assert store.open(contents[3].hash) is not None


def test_a_reader_with_an_old_path_follows_the_file_to_the_second_tier(tmp_path: Path) -> None:
    first, second = tmp_path / "memory", tmp_path / "disk"
    reader = WitnessStore(first, second=second)
    old, new = witnesses(2)
    with WitnessStore(first, Retention(count=1), second=second, sync=False) as store:
        store.publish(old)
        assert reader.path(old.hash) == first / file_name(9, old.hash)
        store.publish(new)
    assert reader.path(old.hash) == second / file_name(9, old.hash)
    opened = reader.open(old.hash)
    assert opened is not None
    assert opened.number == 9


def test_a_file_in_both_tiers_counts_once(tmp_path: Path) -> None:
    """A crash between copy and removal leaves it so."""
    content = block_witness(9)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / file_name(9, content.hash)).write_bytes(encode_witness_file(content))
    with WitnessStore(tmp_path / "a", Retention(count=1), second=tmp_path / "b", sync=False) as store:
        assert [stored.path.parent.name for stored in store] == ["a"]
        store.publish(block_witness(10))
        assert [stored.path.parent.name for stored in store] == ["b", "a"]


def test_the_same_directory_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WitnessStoreError, match="same directory"):
        WitnessStore(tmp_path, second=tmp_path / "." / "x" / "..")


def test_a_file_removed_by_hand_does_not_stop_the_writer(tmp_path: Path) -> None:
    contents = witnesses(3)
    with WitnessStore(tmp_path / "a", Retention(count=1), second=tmp_path / "b", sync=False) as store:
        store.publish(contents[0]).unlink()
        store.publish(contents[1]).unlink()
        store.publish(contents[2])
        assert numbers(store) == [11]


def test_a_mapping_outlives_removal_and_replacement(tmp_path: Path) -> None:
    content = block_witness(9)
    with WitnessStore(tmp_path, sync=False) as store:
        store.publish(content)
        opened = store.open(content.hash)
        assert opened is not None
        store.publish(block_witness(9, expected=b"{}"))
        store.remove(content.hash)
        assert encode_witness_file(opened) == encode_witness_file(content)


def test_a_second_writer_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    with WitnessStore(tmp_path, sync=False) as first, WitnessStore(tmp_path, sync=False) as second:
        first.publish(block_witness(9))
        with pytest.raises(WitnessStoreError, match=f"another writer.*{os.getpid()}"):
            second.publish(block_witness(10))
        assert numbers(second) == [9]  # it may read
        first.close()
        second.publish(block_witness(10))
        with pytest.raises(WitnessStoreError, match="another writer"):
            first.remove(bytes(32))


def test_a_lock_on_one_tier_only_is_given_back(tmp_path: Path) -> None:
    with WitnessStore(tmp_path / "b", sync=False) as other:
        other.publish(block_witness(9))
        with WitnessStore(tmp_path / "a", second=tmp_path / "b") as store:
            with pytest.raises(WitnessStoreError, match="another writer"):
                store.publish(block_witness(9))
            WitnessStore(tmp_path / "a", sync=False).publish(block_witness(9))


def test_a_directory_that_cannot_be_made_or_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WitnessStoreError, match="file"):
        WitnessStore(tmp_path / "file").publish(block_witness(9))
    with pytest.raises(WitnessStoreError, match="file"):
        list(WitnessStore(tmp_path / "file"))


# In processes of their own.


def write_half_and_wait(directory: Path, connection: Connection) -> None:
    """Takes the lock, leaves a half-written temporary file, says so, and waits for its end."""
    store = WitnessStore(directory, sync=False)
    store.publish(block_witness(9))
    (directory / f"{TEMPORARY_PREFIX}half").write_bytes(b"EVWF")
    connection.send("ready")
    connection.recv()


def publish_and_remove(directory: Path, rounds: int, connection: Connection) -> None:
    """Publishes blocks 9, 10, 11, … with a retention of two files in memory and two on disk behind."""
    with WitnessStore(
        directory / "a", Retention(count=2), second=directory / "b", second_retention=Retention(count=2), sync=False
    ) as store:
        for number in range(9, 9 + rounds):
            store.publish(block_witness(number, state=[number.to_bytes(4, "big") * 500]))
    connection.send("done")


def read_until_told(directory: Path, connection: Connection) -> None:
    """Opens whatever is there, again and again; answers how many it opened, or what went wrong."""
    store = WitnessStore(directory / "a", second=directory / "b")
    held: list[tuple[int, BlockWitness]] = []
    opened = 0
    try:
        told = False
        while not told:
            told = connection.poll()  # once more through all files after that, so that some are opened in any case
            for stored in store:
                content = store.open(stored.hash)
                if content is None:
                    continue  # dropped from both tiers meanwhile
                assert content.number == stored.number
                assert content.witness.state[0] == stored.number.to_bytes(4, "big") * 500
                held = [*held[-5:], (stored.number, content)]
                opened += 1
            for number, content in held:  # removed long since, and still readable
                assert content.witness.state[0] == number.to_bytes(4, "big") * 500
        connection.send(opened)
    except BaseException as error:
        connection.send(repr(error))
        raise


Start = Callable[..., tuple[multiprocessing.process.BaseProcess, Connection]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a function of this module in a process of its own, with a pipe; ends it by its handle after the test."""
    started = []

    def run(target: Callable[..., None], *arguments: object) -> tuple[multiprocessing.process.BaseProcess, Connection]:
        ours, theirs = PROCESSES.Pipe()
        process = PROCESSES.Process(target=target, args=(*arguments, theirs))
        process.start()
        started.append(process)
        return process, ours

    yield run
    for process in started:
        process.kill()
        process.join()


def answer(connection: Connection) -> object:
    assert connection.poll(PATIENCE), "the other process does not answer"
    return connection.recv()


def test_a_killed_writer_leaves_neither_lock_nor_leftovers(tmp_path: Path, start: Start) -> None:
    process, connection = start(write_half_and_wait, tmp_path)
    assert answer(connection) == "ready"
    with WitnessStore(tmp_path, sync=False) as store:
        with pytest.raises(WitnessStoreError, match=f"another writer.*{process.pid}"):
            store.publish(block_witness(10))
        assert (tmp_path / f"{TEMPORARY_PREFIX}half").exists()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(PATIENCE)
        store.publish(block_witness(10))
        assert numbers(store) == [9, 10]
        assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == [LOCK_NAME]
        for stored in store:
            map_witness_file(stored.path)


def test_readers_see_whole_files_while_a_writer_publishes_moves_and_removes(tmp_path: Path, start: Start) -> None:
    readers = [start(read_until_told, tmp_path) for _ in range(2)]
    _, writer = start(publish_and_remove, tmp_path, 300)
    assert answer(writer) == "done"
    for _, connection in readers:
        connection.send("stop")
    for _, connection in readers:
        opened = answer(connection)
        assert isinstance(opened, int), opened
        assert opened >= 4
    assert numbers(WitnessStore(tmp_path / "a", second=tmp_path / "b")) == [305, 306, 307, 308]
