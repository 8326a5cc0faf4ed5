"""The main job on real blocks: each complete one VALID by all that know its fork, each incomplete one by nobody."""

from pathlib import Path

import pytest

from tests.end_to_end.conftest import REAL_BLOCKS
from tests.end_to_end.running import RunningAdapters
from verifier.domain.vote import VoteKind
from witness.chain_config import FORKS
from witness.formats import load

BLOCKS = sorted((REAL_BLOCKS / "mainnet").glob("*.json.gz"))
COMPLETE = [path for path in BLOCKS if not path.name.startswith("17000_")]
# The witness has neither the parent's header nor the ancestors that BLOCKHASH asks for, only claims about them.
CLAIMED = [path for path in BLOCKS if path.name.startswith("17000_")]
FIRST_FORK = {"ethrex": "paris", "revm": "byzantium"}  # clients that do not know the earlier ones
# What each incomplete witness lacks (../shared/data/README.md): the node's hash, the hash of the highest header that is
# missing, or the number that BLOCKHASH asks for.
MISSING = {
    "1_22188088_keth.json.gz": ["8a3d287b464732615d9fbbb597e156d4b694c3634d77b057bc2965d61c99a32b"],
    "mainnet_23587691_scroll.json.gz": ["149e213219b83fc61891ed608d40b2ac06cf8d276b8bf6f864e70eda20c95a2b"],
    "holesky_2860557_scroll.json.gz": ["46393d10aada572b5075cc65e77c3be167b4ad8f7cead5886afac4a6abc438bf", "2860551"],
    "holesky_2965790_scroll.json.gz": ["5ee97dcc87f40c14cc38ef749a7d91ade3815a871e5999409400105a84e4c16a", "2965783"],
    "holesky_2965792_scroll.json.gz": ["5ee97dcc87f40c14cc38ef749a7d91ade3815a871e5999409400105a84e4c16a", "2965783"],
}
pytestmark = pytest.mark.usefixtures("real_blocks")


def name(path: Path) -> str:
    """A short test id."""
    return path.name.removesuffix(".json.gz")


@pytest.mark.parametrize("path", COMPLETE, ids=name)
def test_complete_blocks_are_valid(adapters: RunningAdapters, path: Path, tmp_path: Path) -> None:
    (content,) = load(path)
    report = adapters.judge(content, tmp_path)
    assert not report.decision.disagreement
    for vote in report.votes:
        first = FIRST_FORK.get(vote.lineage, "frontier")
        if FORKS.index(report.fork) >= FORKS.index(first):
            assert vote.kind is VoteKind.VALID, vote
        else:
            assert vote.kind is VoteKind.ABSTAIN, vote
            assert (vote.reason or "").startswith("unsupported_fork: ")


@pytest.mark.parametrize("path", CLAIMED, ids=name)
def test_what_is_only_claimed_proves_nothing(adapters: RunningAdapters, path: Path, tmp_path: Path) -> None:
    (content,) = load(path)
    report = adapters.judge(content, tmp_path)
    for vote in report.votes:
        assert vote.kind is VoteKind.ABSTAIN, vote
        assert (vote.reason or "").startswith("witness_insufficient: "), vote


@pytest.mark.parametrize("path", CLAIMED, ids=name)
def test_claims_that_the_operator_accepts(adapters: RunningAdapters, path: Path, tmp_path: Path) -> None:
    (content,) = load(path)
    report = adapters.judge(content, tmp_path, accept_claims=True)
    assert not report.decision.disagreement
    for vote in report.votes:
        assert vote.kind is VoteKind.VALID, vote


@pytest.mark.parametrize("file_name", MISSING)
def test_incomplete_witnesses_are_nobodys_statement(
    adapters: RunningAdapters, real_blocks: Path, file_name: str, tmp_path: Path
) -> None:
    (content,) = load(real_blocks / "incomplete" / file_name)
    report = adapters.judge(content, tmp_path)
    for vote in report.votes:
        assert vote.kind is VoteKind.ABSTAIN, vote
        assert (vote.reason or "").startswith("witness_insufficient: "), vote
        assert any(item in (vote.reason or "") for item in MISSING[file_name]), vote
