"""A real geth node, asked to execute blocks without state: what decision 18 says of it holds."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.peers.geth_node import GethNode
from tests.peers.installation import require_geth
from verifier.app import bundled_chain
from verifier.domain.result import Computed, Result
from verifier.domain.vote import VoteKind, cast_vote
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.engine_messages import encode_call
from verifier.executors.stateless.engine_remote import EngineExecutor
from verifier.executors.stateless.remotes import EngineRemote
from verifier.services.recording import RecordOptions, record
from witness.file import check_binding, map_witness_file, write_witness_file
from witness.formats.geth_rlp import encode_witness_rlp
from witness.header import decode_block_header, decode_header, keccak256
from witness.model import BlockWitness, Witness
from witness.rlp_encoding import encode_list
from witness.rlp_item import list_items

DEADLINE = 60.0  # seconds; the first point evaluation alone takes geth one on two busy cores
BUSY_BLOCK = 30  # of the chain: Osaka, with storage, creations and calls
STATE_ROOT, REQUESTS_HASH = 3, 20  # places in the header


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Witness files of the bundled chain, ascending: Shanghai to BPO1."""
    directory = tmp_path_factory.mktemp("chain")
    options = RecordOptions(directory, bundled_chain() / "genesis.json", None, None, sync=False)
    events = list(record(bundled_chain() / "chain.rlp", options))
    return [event.path for event in events if event.path is not None]


@pytest.fixture(scope="module")
def geth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GethNode]:
    """A node of the same chain that has nothing but its genesis."""
    genesis = json.loads((bundled_chain() / "genesis.json").read_text())
    with GethNode(require_geth(), tmp_path_factory.mktemp("geth"), genesis) as node:
        yield node


def ask(geth: GethNode, requests: Sequence[ExecutionRequest]) -> list[Result]:
    async def scenario() -> list[Result]:
        executor = EngineExecutor(EngineRemote("node", "geth", geth.engine_url, geth.jwt_path))
        try:
            return list(await asyncio.gather(*(executor.execute(request) for request in requests)))
        finally:
            await executor.close()

    return asyncio.run(scenario())


def request_for(path: Path) -> ExecutionRequest:
    content = map_witness_file(path)
    root = decode_header(content.witness.headers[-1]).state_root
    return ExecutionRequest(path, content.hash, root, DEADLINE)


def test_it_computes_both_roots_of_every_block_and_attests_none(geth: GethNode, files: list[Path]) -> None:
    assert len(files) == 37
    for path, result in zip(files, ask(geth, [request_for(path) for path in files]), strict=True):
        header = check_binding(map_witness_file(path))
        outcome = result.outcome
        assert isinstance(outcome, Computed), (header.number, outcome)
        assert (outcome.state_root, outcome.receipts_root) == (header.state_root, header.receipts_root)
        vote = cast_vote(header, result)
        assert (vote.kind, vote.differences) == (VoteKind.ABSTAIN, ())


def changed(content: BlockWitness, directory: Path, change: Callable[[list[bytes]], None]) -> Path:
    """The witness file of a block whose header's encoded fields are others."""
    (_, at, _, stop), *_ = list_items(content.block)
    header = bytes(content.block[at:stop])
    fields = [header[first:last] for _, first, _, last in list_items(header)]
    change(fields)
    encoded = encode_list(b"".join(fields))
    block = encode_list(encoded + bytes(content.block[stop:]))
    return write_witness_file(replace(content, block=block, hash=keccak256(encoded)), directory, sync=False)


@pytest.mark.parametrize(("place", "noticed"), [(STATE_ROOT, True), (REQUESTS_HASH, False)])
def test_it_contradicts_a_wrong_root_and_is_blind_to_a_wrong_requests_hash(
    geth: GethNode, files: list[Path], tmp_path: Path, place: int, noticed: bool
) -> None:
    def change(fields: list[bytes]) -> None:
        fields[place] = b"\xa0" + b"\x11" * 32

    path = changed(map_witness_file(files[BUSY_BLOCK]), tmp_path, change)
    (result,) = ask(geth, [request_for(path)])
    vote = cast_vote(decode_block_header(map_witness_file(path).block), result)
    assert vote.kind is VoteKind.ABSTAIN
    assert [difference.field for difference in vote.differences] == (["state_root"] if noticed else [])


def test_without_a_node_it_never_attests_or_rejects(geth: GethNode, files: list[Path], tmp_path: Path) -> None:
    content = map_witness_file(files[BUSY_BLOCK])
    nodes = list(content.witness.state)
    requests = []
    for index in range(len(nodes)):
        directory = tmp_path / str(index)
        directory.mkdir()
        lacking = Witness([*nodes[:index], *nodes[index + 1 :]], content.witness.codes, content.witness.headers)
        requests.append(request_for(write_witness_file(replace(content, witness=lacking), directory, sync=False)))
    header = check_binding(content)
    votes = [cast_vote(header, result) for result in ask(geth, requests)]
    assert {vote.kind for vote in votes} == {VoteKind.ABSTAIN}
    # It swallows some of them: why its contradictions are no statement about the block.
    assert any(each.field == "state_root" for vote in votes for each in vote.differences)


def test_it_takes_the_pre_state_from_the_highest_header_so_others_are_not_sent(
    geth: GethNode, files: list[Path], tmp_path: Path
) -> None:
    content = map_witness_file(files[BUSY_BLOCK])
    headers = [*content.witness.headers, decode_block_rlp(map_witness_file(files[BUSY_BLOCK + 2]))]
    hijacked = replace(content, witness=Witness(content.witness.state, content.witness.codes, headers))
    request = request_for(files[BUSY_BLOCK])
    document: Any = json.loads(encode_call(request).body)
    document["params"][-1] = "0x" + encode_witness_rlp(hijacked.witness).hex()
    answer = geth.engine_call(document["method"], *document["params"])
    assert answer["stateRoot"] != "0x" + check_binding(content).state_root.hex()  # it has started from another state
    path = write_witness_file(hijacked, tmp_path, sync=False)
    (result,) = ask(geth, [replace(request, witness=path)])
    assert "do not form the chain" in str(result.outcome)


def decode_block_rlp(content: BlockWitness) -> bytes:
    """The RLP of a block's header."""
    _, at, _, stop = list_items(content.block)[0]
    return bytes(content.block[at:stop])
