"""The checks before any client: what is refused, what is missing, what is bound."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.rpc.block_example import CHAIN_ID, chain, example, request, with_headers
from verifier.rpc.host.responses import (
    MAX_DETAIL_LENGTH,
    broken_rule,
    insufficient,
    missing_header,
    missing_of,
    one_line,
)
from verifier.rpc.host.task import Answered, BlockTask, invalid_argument, open_task
from verifier.rpc.v1 import executor_pb2 as pb
from witness.errors import WitnessInsufficientError
from witness.file import encode_witness_file, write_witness_file
from witness.header import keccak256
from witness.model import PreAccount
from witness.prestate import encode_prestate

FORKS = ("frontier", "homestead", "shanghai")


def answer(asked: pb.ExecuteRequest, forks: tuple[str, ...] = FORKS) -> pb.ExecuteResponse:
    with pytest.raises(Answered) as caught:
        open_task(asked, forks)
    return caught.value.response


def reason(response: pb.ExecuteResponse) -> str:
    assert response.WhichOneof("outcome") == "abstention", response
    return pb.AbstentionReason.Name(response.abstention.reason).removeprefix("ABSTENTION_REASON_").lower()


def test_task_is_bound() -> None:
    content = example()
    task = open_task(request(content), FORKS)
    assert isinstance(task, BlockTask)
    assert task.fork == "homestead"
    assert task.parent is not None
    assert task.parent.number == 3
    assert task.pre_state_root == task.parent.state_root
    headers = content.witness.headers
    assert task.ancestor_hashes == {
        3: keccak256(headers[2]),
        2: keccak256(headers[1]),
        1: keccak256(headers[0]),
        0: bytes(32),  # block 1 names it, though its header is not there
    }


def test_path_is_mapped(tmp_path: Path) -> None:
    content = example()
    path = write_witness_file(content, tmp_path, sync=False)
    task = open_task(request(content, path=str(path)), FORKS)
    assert bytes(task.block) == content.block
    assert isinstance(task.block, memoryview)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"block_hash": b"\1" * 31}, "block_hash has 31 bytes"),
        ({"pre_state_root": b""}, "pre_state_root has 0 bytes"),
        ({"path": "relative.witness"}, "not absolute"),
        ({"mode": 77}, "mode 77"),
    ],
)
def test_requests_that_are_not_well_formed(changes: dict[str, object], part: str) -> None:
    assert part in (invalid_argument(request(example(), **changes)) or "")
    assert invalid_argument(pb.ExecuteRequest(block_hash=bytes(32))) == "the request names no witness"
    assert invalid_argument(request(example())) is None


def test_another_block() -> None:
    assert reason(answer(request(example(), block_hash=b"\1" * 32))) == "refused"
    assert reason(answer(request(replace(example(), hash=b"\1" * 32)))) == "refused"
    assert reason(answer(request(replace(example(), number=9)))) == "refused"


def test_another_root() -> None:
    response = answer(request(example(), pre_state_root=b"\7" * 32))
    assert reason(response) == "refused"
    assert response.abstention.detail.startswith("pre-state root 0x0303")
    assert "is not the trusted" in response.abstention.detail


def test_root_is_checked_also_where_the_parent_is_optional() -> None:
    asked = request(example(), pre_state_root=b"\7" * 32, parent_header_optional=True)
    assert reason(answer(asked)) == "refused"


@pytest.mark.parametrize("headers", [[], chain(2), [*chain(3), chain(1)[0]]], ids=["none", "grandparent", "other"])
def test_parent_is_missing(headers: list[bytes]) -> None:
    content = example()
    response = answer(request(with_headers(content, headers)))
    assert reason(response) == "witness_insufficient"
    (missing,) = response.abstention.missing
    assert missing.kind == pb.Missing.KIND_HEADER
    assert missing.hash == keccak256(content.witness.headers[-1])


def test_parent_may_be_missing() -> None:
    content = with_headers(example(), [])
    task = open_task(request(content, pre_state_root=b"\7" * 32, parent_header_optional=True), FORKS)
    assert task.parent is None
    assert list(task.ancestor_hashes) == [3]
    assert task.pre_state_root == b"\7" * 32


def test_chain_is_broken_further_down() -> None:
    headers = [bytes(header) for header in example().witness.headers]
    headers[0] = headers[0][:-1] + b"\1"
    response = answer(request(with_headers(example(), headers)))
    assert reason(response) == "refused"
    assert "block 1" in response.abstention.detail


def test_unknown_fork_comes_before_the_rest() -> None:
    content = with_headers(example(), [])
    response = answer(request(content), ("frontier",))
    assert reason(response) == "unsupported_fork"
    assert "homestead" in response.abstention.detail


def test_config_of_the_request_counts() -> None:
    shanghai = {"chainId": CHAIN_ID, "terminalTotalDifficulty": 0, "shanghaiTime": 0}
    task = open_task(request(example(), chain_config=json.dumps(shanghai).encode()), FORKS)
    assert task.fork == "shanghai"


@pytest.mark.parametrize(
    "config",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"chainId": true}',
        b'{"chainId": 1}',  # of another chain than the file
        b'{"chainId": 1337, "homesteadBlock": "soon"}',
        b'{"chainId": 1337, "blobSchedule": {"cancun": {"target": 3}}}',
    ],
)
def test_config_that_cannot_be_used(config: bytes) -> None:
    assert reason(answer(request(example(), chain_config=config))) == "refused"


def test_bytes_after_the_block_are_for_the_client() -> None:
    content = example(tail=b"\0")
    assert bytes(open_task(request(content), FORKS).block).endswith(b"\0")


def test_header_that_cannot_be_decoded_is_a_broken_rule() -> None:
    content = example()
    long = b"\xf9"  # the prefix of a list whose length has two bytes
    header = bytes(content.block)[3:-2]
    assert header[:1] == long
    shorter = long + (len(header) - 4).to_bytes(2, "big") + header[3:-9] + b"\x87" + bytes(7)  # a nonce of 7 bytes
    block = long + (len(shorter) + 2).to_bytes(2, "big") + shorter + b"\xc0\xc0"
    response = answer(request(replace(content, block=block, hash=keccak256(shorter))))
    assert response.broken_rule.rule == pb.RULE_BLOCK_ENCODING


@given(position=st.integers(0, 10**6), value=st.integers(0, 255))
def test_changed_bytes_of_the_file_never_raise(position: int, value: int) -> None:
    content = bytearray(encode_witness_file(example()))
    changed = content[position % len(content)] != value
    content[position % len(content)] = value
    asked = request(example(), content=bytes(content))
    if changed:
        assert reason(answer(asked)) == "refused"  # everything is under a checksum
    else:
        open_task(asked, FORKS)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    assert reason(answer(request(example(), content=data))) == "refused"


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent", Path("/dev/zero")):
        assert reason(answer(request(example(), path=str(path)))) == "refused"


def test_details_are_one_line() -> None:
    assert one_line("a\n\tb\x07") == "a b?"
    assert len(broken_rule(pb.RULE_OTHER, "x" * 10_000).broken_rule.detail) == MAX_DETAIL_LENGTH


def test_prestate_is_decoded() -> None:
    accounts = {b"\1" * 20: None, b"\2" * 20: PreAccount(1, 2, b"\3" * 32, b"\4" * 32, {b"\5" * 32: 6})}
    content = replace(example(), prestate=encode_prestate(accounts))
    assert open_task(request(content, mode=pb.MODE_PRESTATE), FORKS).prestate == accounts
    assert open_task(request(content), FORKS).prestate is None


@pytest.mark.parametrize("section", [None, b"", b"\x80", b"\xc1\xc0", b"\xc0\xc0"])
def test_prestate_that_cannot_be_used(section: bytes | None) -> None:
    content = replace(example(), prestate=section)
    assert reason(answer(request(content, mode=pb.MODE_PRESTATE))) == "refused"
    assert open_task(request(content), FORKS).prestate is None  # nobody looks at it in proof mode


def test_missing_accounts_and_slots_are_named() -> None:
    address, key = b"\1" * 20, b"\2" * 32
    errors = [
        WitnessInsufficientError("slot", address=address, key=key),
        WitnessInsufficientError("account", address=address),
    ]
    response = insufficient([missing_of(error) for error in (*errors, *errors)])
    assert [(each.kind, each.address, each.key) for each in response.abstention.missing] == [
        (pb.Missing.KIND_SLOT, address, key),
        (pb.Missing.KIND_ACCOUNT, address, b""),
    ]
    assert response.abstention.detail == f"missing slot 0x{key.hex()} of 0x{address.hex()}, and 1 more"
    assert str(errors[1]) == f"missing account 0x{address.hex()}"


def test_repeated_misses_are_named_once() -> None:
    response = insufficient([missing_header(b"\1" * 32), missing_header(b"\1" * 32), missing_header(number=7)])
    assert len(response.abstention.missing) == 2
    assert response.abstention.detail == f"missing header 0x{'01' * 32}, and 1 more"
