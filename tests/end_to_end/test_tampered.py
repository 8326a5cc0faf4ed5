"""Tampered inputs through all clients: the right vote, a clear reason, and every process still up."""

import json
from pathlib import Path

import pytest

from tests.end_to_end.conftest import REAL_BLOCKS
from tests.end_to_end.running import RunningAdapters
from verifier.domain.quorum import Verdict
from verifier.domain.result import Abstention, AbstentionReason
from verifier.domain.vote import VoteKind
from verifier.executors.stateless.base import ExecutionRequest
from verifier.services.contract.tampering import (
    HEADER_CHANGES,
    Tampered,
    tampered_bodies,
    tampered_headers,
    tampered_witnesses,
)
from witness.errors import WitnessFileError
from witness.file import encode_witness_file, map_witness_file, write_witness_file
from witness.formats import load
from witness.model import BlockWitness

USDC = bytes.fromhex("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48")  # a contract that block 22615247 calls
# What these need is in no mainnet witness by chance: an account never touched, other slots of EIP-4788.
NOT_IN_THIS_WITNESS = ("coinbase outside the witness", "timestamp plus one")
ABSTAINED = frozenset({VoteKind.ABSTAIN})


@pytest.fixture(scope="module")
def cancun_block(real_blocks: Path) -> BlockWitness:
    (content,) = load(REAL_BLOCKS / "mainnet" / "1_21688509_keth.json.gz")
    return content


def check(adapters: RunningAdapters, case: Tampered, directory: Path) -> None:
    before = adapters.processes()
    report = adapters.judge(case.content, directory)
    assert adapters.processes() == before, f"{case.name}: an adapter crashed"
    assert not report.decision.disagreement, f"{case.name}: {report.votes}"
    assert len({vote.kind for vote in report.votes}) == 1, f"{case.name}: {report.votes}"
    expected = ABSTAINED if case.name in NOT_IN_THIS_WITNESS else case.votes
    for vote in report.votes:
        assert vote.kind in expected, f"{case.name}: {vote}"
        if case.reasons:
            assert any(reason in (vote.reason or "") for reason in case.reasons), f"{case.name}: {vote}"


def test_every_header_field_is_tampered_with() -> None:
    changed = {field for field, *_ in HEADER_CHANGES.values()}
    assert len(changed) == 21  # all fields of a Prague header


def test_headers(adapters: RunningAdapters, prague_block: BlockWitness, tmp_path: Path) -> None:
    for case in tampered_headers(prague_block, USDC):
        check(adapters, case, tmp_path)


def test_bodies(adapters: RunningAdapters, prague_block: BlockWitness, tmp_path: Path) -> None:
    for case in tampered_bodies(prague_block):
        check(adapters, case, tmp_path)


def test_witnesses(
    adapters: RunningAdapters, prague_block: BlockWitness, cancun_block: BlockWitness, tmp_path: Path
) -> None:
    for case in tampered_witnesses(prague_block, cancun_block):
        check(adapters, case, tmp_path)


def test_an_untrusted_pre_state_root(adapters: RunningAdapters, prague_block: BlockWitness, tmp_path: Path) -> None:
    report = adapters.judge(prague_block, tmp_path, trusted_roots={prague_block.hash: b"\x11" * 32})
    assert report.decision.verdict is Verdict.HOLD
    for vote in report.votes:
        assert vote.kind is VoteKind.ABSTAIN
        assert (vote.reason or "").startswith("refused: ")


def test_a_byte_in_the_file(adapters: RunningAdapters, prague_block: BlockWitness, tmp_path: Path) -> None:
    encoded = encode_witness_file(prague_block)
    path = tmp_path / "damaged.witness"
    for position in range(0, len(encoded), len(encoded) // 60):
        damaged = bytearray(encoded)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(WitnessFileError, match=r"damaged\.witness"):
            map_witness_file(path)
        # The adapters look for themselves.
        _refused_by_all(adapters, path, prague_block)


@pytest.mark.parametrize("length", [0, 63, 64, 1000])
def test_a_truncated_file(adapters: RunningAdapters, prague_block: BlockWitness, tmp_path: Path, length: int) -> None:
    path = tmp_path / "truncated.witness"
    path.write_bytes(encode_witness_file(prague_block)[:length])
    _refused_by_all(adapters, path, prague_block)


def test_no_file_and_a_directory(adapters: RunningAdapters, prague_block: BlockWitness, tmp_path: Path) -> None:
    _refused_by_all(adapters, tmp_path / "absent.witness", prague_block)
    _refused_by_all(adapters, tmp_path, prague_block)


def test_a_chain_config_that_is_none(adapters: RunningAdapters, prague_block: BlockWitness, tmp_path: Path) -> None:
    path = write_witness_file(prague_block, tmp_path)
    for config in (b"{", b"[]", b'{"chainId":"one"}', b"\xff"):
        _refused_by_all(adapters, path, prague_block, config)


def _refused_by_all(adapters: RunningAdapters, path: Path, block: BlockWitness, chain_config: bytes = b"") -> None:
    before = adapters.processes()
    request = ExecutionRequest(path, block.hash, b"\1" * 32, deadline=60.0, chain_config=chain_config)
    for executor in adapters.executors():
        result = adapters.run(executor.execute(request))
        assert isinstance(result.outcome, Abstention), result
        assert result.outcome.reason is AbstentionReason.REFUSED, result
        assert result.outcome.detail
    assert adapters.processes() == before


def test_a_fork_that_clients_lack(adapters: RunningAdapters, prague_block: BlockWitness, tmp_path: Path) -> None:
    config = {**json.loads(bytes(prague_block.chain_config)), "amsterdamTime": 0}
    report = adapters.judge(prague_block, tmp_path, chain_config=json.dumps(config).encode())
    votes = {vote.adapter: vote for vote in report.votes}
    for name in votes.keys() & {"pyevm", "eels"}:
        assert votes[name].kind is VoteKind.ABSTAIN
        assert (votes[name].reason or "").startswith("unsupported_fork: ")
