"""The process that records: what it may do wrong, and that nothing of it is left."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.errors import ExecutorError
from verifier.executors.stateful.errors import UnsupportedForkError
from verifier.executors.stateful.recorder_process import (
    RecordedBlock,
    RecordedWitness,
    RecorderProcess,
    decode_block,
    decode_witness,
    encode_request,
)
from witness.rlp_encoding import encode_item

from .chains import sample_blocks, sample_genesis

# What each of these does, once it has a request. `block` is a good answer to one block, `file` the file behind it.
GOOD = '{"index":0,"hash":"0x' + "11" * 32 + '","number":1,"accepted":true,"length":4,"us":1500}'
SCRIPTS = {
    "good": """say('{"block":' + good + '}\\nfile{"done":true}')""",
    "ahead": """say('{"witness":' + good + '}\\nfile{"block":' + good.replace('4', '0') + '}\\n{"done":true}')""",
    "no witness": """say('{"witness":[]}')""",
    "large witness": """say('{"witness":' + good.replace('4', '1073741825') + '}')""",
    "unsupported": """say('{"failure":{"kind":"unsupported_fork","reason":"no such fork"}}')""",
    "failing": """say('{"failure":{"kind":"failed","reason":"no room"}}')""",
    "dying": """print("out of luck", file=sys.stderr); sys.exit(3)""",
    "dying within": """say('{"block":' + good + '}\\nfi'); sys.exit(0)""",
    "silent": """sys.stdin.read()""",
    "half": """print('{"block":' + good + '}\\nfile', end='', flush=True); sys.stdin.read()""",
    "no JSON": """say('no JSON')""",
    "no object": """say('[1]')""",
    "no end": """say('{}')""",
    "no block": """say('{"block":7}')""",
    "deep": """say('[' * 100000)""",
    "endless": """say('x' * (2 << 20))""",
    "large": """say('{"block":' + good.replace('4', '1073741825') + '}')""",
}
HEAD = (
    "import sys\ngood = {good!r}\n\ndef say(text):\n    print(text, flush=True)\n\nfor line in sys.stdin:\n    {body}\n"
)
Open = Callable[[str], RecorderProcess]
BLOCKS = [(b"\xc0", None)]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Recorders that do as a script says."""
    processes = []

    def open_process(name: str, **options: Any) -> RecorderProcess:
        script = tmp_path / "recorder.py"
        script.write_text(HEAD.format(good=GOOD, body=SCRIPTS[name]))
        processes.append(RecorderProcess("example", [sys.executable, "-I", str(script)], **options))
        return processes[-1]

    yield open_process
    for process in processes:
        process.close()


def test_an_answer_is_read_and_the_process_stays(opened: Open) -> None:
    process = opened("good")
    expected = RecordedBlock(0, 1, b"\x11" * 32, True, (), (), "", b"file", 1.5)
    assert list(process.record(sample_genesis(), BLOCKS)) == [expected]
    pid = process.pid
    assert list(process.record(sample_genesis(), BLOCKS)) == [expected]
    assert process.pid == pid


def test_a_witness_may_come_before_the_answer(opened: Open) -> None:
    witness, block = opened("ahead").record(sample_genesis(), BLOCKS)
    assert witness == RecordedWitness(0, 1, b"\x11" * 32, b"file")
    assert block == RecordedBlock(0, 1, b"\x11" * 32, True, (), (), "", b"", 1.5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("failing", "no room"),
        ("dying", "out of luck"),
        ("dying within", "has ended"),
        ("no JSON", "no answer"),
        ("no object", "no answer"),
        ("no end", "no answer"),
        ("no block", "no answer"),
        ("no witness", "no answer"),
        ("large witness", "no answer"),
        ("deep", "no answer"),
        ("endless", "no answer"),
        ("large", "no answer"),
    ],
)
def test_what_is_no_answer_is_an_error(opened: Open, name: str, words: str) -> None:
    process = opened(name)
    for _ in range(2):  # it is started again
        with pytest.raises(ExecutorError, match=words):
            list(process.record(sample_genesis(), BLOCKS))


def test_a_fork_that_it_lacks(opened: Open) -> None:
    with pytest.raises(UnsupportedForkError, match="no such fork"):
        list(opened("unsupported").record(sample_genesis(), BLOCKS))


def test_one_that_does_not_answer_is_ended(opened: Callable[..., RecorderProcess]) -> None:
    process = opened("silent", block_timeout=0.2)
    with pytest.raises(ExecutorError, match="does not answer"):
        list(process.record(sample_genesis(), BLOCKS))
    assert process.pid is None


def test_one_that_nobody_waits_for_is_ended(opened: Open) -> None:
    process = opened("good")
    blocks = process.record(sample_genesis(), BLOCKS)
    next(blocks)
    pid = process.pid
    assert pid is not None
    blocks.close()  # type: ignore[attr-defined]  # a generator
    assert process.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert list(process.record(sample_genesis(), BLOCKS))


def test_one_that_is_interrupted_ends_in_the_middle(opened: Open) -> None:
    process = opened("half")  # answers one block of two, so that it is known to be in the middle
    blocks = process.record(sample_genesis(), BLOCKS * 2)
    next(blocks)
    with ThreadPoolExecutor(1) as thread:
        rest = thread.submit(list, blocks)
        process.interrupt()
        with pytest.raises(ExecutorError, match="has ended"):
            rest.result()
    assert process.pid is None
    with pytest.raises(ExecutorError, match="was interrupted"):
        list(process.record(sample_genesis(), BLOCKS))


def test_one_that_cannot_be_started(tmp_path: Path) -> None:
    with (
        RecorderProcess("example", [str(tmp_path / "absent")]) as process,
        pytest.raises(ExecutorError, match="has ended"),
    ):
        list(process.record(sample_genesis(), BLOCKS))


def test_a_request_says_everything() -> None:
    genesis = sample_genesis()
    request = json.loads(encode_request(genesis, [(sample_blocks()[0], b"\x22" * 32), (b"", None)], 7))
    assert json.loads(request["chain_config"]) == genesis.config.document
    fields = [field or bytes(32) for field in genesis.header_fields[:4]]
    assert encode_item(list(fields)).hex()[6:70] in request["genesis"]
    assert len(request["accounts"]) == len(genesis.accounts)
    address, account = next(item for item in genesis.accounts.items() if item[1].storage)
    written = request["accounts"][address.hex()]
    assert int(written["balance"], 16) == account.balance
    assert {int(key, 16): int(value, 16) for key, value in written["storage"].items()} == account.storage
    assert request["blocks"] == [
        {"rlp": f"0x{sample_blocks()[0].hex()}", "hash": f"0x{'22' * 32}"},
        {"rlp": "0x", "hash": None},
    ]
    assert request["whole_state"] == 7


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = ("index", "hash", "number", "accepted", "rules", "fields", "reason", "length", "us")


@given(st.dictionaries(st.sampled_from(KEYS), JSON) | JSON)
def test_any_answer_is_a_witness_or_one_of_three_errors(changes: Any) -> None:
    answer = {**json.loads(GOOD), **changes} if isinstance(changes, dict) else changes
    try:
        witness = decode_witness(answer, lambda _: b"file")
    except (KeyError, TypeError, ValueError):
        return
    assert len(witness.hash) == 32
    assert 0 <= witness.number < 1 << 64


@given(st.dictionaries(st.sampled_from(KEYS), JSON) | JSON)
def test_any_answer_is_a_block_or_one_of_three_errors(changes: Any) -> None:
    answer = {**json.loads(GOOD), **changes} if isinstance(changes, dict) else changes
    try:
        block = decode_block(answer, lambda _: b"file")
    except (KeyError, TypeError, ValueError):
        return
    assert isinstance(block.reason, str)
    assert len(block.hash) == 32
    assert 0 <= block.number < 1 << 64
