"""Prestate mode on real blocks: derived sections, executed by all, and what changed compared slot by slot."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.running import RunningAdapters
from tests.end_to_end.test_mainnet import COMPLETE, FIRST_FORK, name
from verifier.domain.result import Mode
from verifier.domain.vote import VoteKind
from verifier.services.derivation import with_sections
from witness.chain_config import FORKS
from witness.formats import load
from witness.model import BlockWitness, Witness
from witness.prestate import decode_prestate, encode_prestate

pytestmark = pytest.mark.usefixtures("real_blocks")
# Every account and slot for the fast clients, a sample for the slow ones. VERIFIER_EVERY_DROP=1: every one for all.
STRIDE = {"geth": 1, "ethrex": 1, "revm": 1, "ethereumjs": 8, "pyevm": 15, "eels": 30}


def load_with_sections(path: Path) -> BlockWitness:
    """A real block with prestate and poststate, without its trie nodes: nothing may be taken from them."""
    (content,) = load(path)
    derived, remark = with_sections(content)
    assert remark == ""
    return replace(derived, witness=Witness([], derived.witness.codes, derived.witness.headers))


@pytest.mark.parametrize("path", COMPLETE, ids=name)
def test_what_changed_is_equal_in_all(adapters: RunningAdapters, path: Path, tmp_path: Path) -> None:
    content = load_with_sections(path)
    # Once against what py-evm, as the stateful executor, left changed, and once the clients against each other.
    for each in (content, replace(content, poststate=None)):
        report = adapters.judge(each, tmp_path, mode=Mode.PRESTATE)
        assert not report.decision.disagreement, report.votes
        for vote in report.votes:
            first = FIRST_FORK.get(vote.lineage, "frontier")
            if FORKS.index(report.fork) >= FORKS.index(first):
                assert vote.kind is VoteKind.VALID, vote
                assert (vote.reason or "").startswith("unproven: state_root"), vote
            else:
                assert vote.kind is VoteKind.ABSTAIN, vote
                assert (vote.reason or "").startswith("unsupported_fork: ")


@pytest.fixture(scope="module")
def prague_sections(real_blocks: Path) -> BlockWitness:
    """Mainnet block 22615247 in prestate mode."""
    return load_with_sections(real_blocks / "mainnet" / "1_22615247_keth.json.gz")


def dropped(content: BlockWitness, stride: int) -> Iterator[tuple[str, BlockWitness]]:
    """(address, or address and key, of what is gone; the rest), every `stride`-th of accounts and slots."""
    assert content.prestate is not None
    accounts = decode_prestate(content.prestate)
    items: list[tuple[bytes, bytes | None]] = []
    for address, account in sorted(accounts.items()):
        items.append((address, None))
        items += [(address, key) for key in sorted(account.slots)] if account is not None else []
    for address, key in items[::stride]:
        rest = dict(accounts)
        account = rest.pop(address)
        if key is not None:
            assert account is not None
            rest[address] = replace(
                account, slots={each: value for each, value in account.slots.items() if each != key}
            )
        gone = f"0x{address.hex()}" + (f" 0x{key.hex()}" if key is not None else "")
        yield gone, replace(content, prestate=encode_prestate(rest))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("adapter", STRIDE)
def test_a_dropped_account_or_slot(
    adapters: RunningAdapters, prague_sections: BlockWitness, tmp_path: Path, adapter: str
) -> None:
    if adapter not in adapters.names:
        pytest.skip(f"{adapter} is not available: {adapters.absent[adapter]}")
    before = adapters.processes()
    stride = 1 if os.environ.get("VERIFIER_EVERY_DROP") else STRIDE[adapter]
    needed = superfluous = 0
    for gone, content in dropped(prague_sections, stride):
        (vote,) = adapters.judge(content, tmp_path, [adapter], mode=Mode.PRESTATE).votes
        if vote.kind is VoteKind.VALID:
            superfluous += 1
            continue
        needed += 1
        assert vote.kind is VoteKind.ABSTAIN, (gone, vote)
        assert (vote.reason or "").startswith("witness_insufficient: "), (gone, vote)
        assert gone in (vote.reason or ""), (gone, vote)
    assert needed > superfluous  # the section is not full of what nobody reads
    assert adapters.processes() == before


def test_values_that_the_nodes_contradict_are_nobodys_statement(
    adapters: RunningAdapters, real_blocks: Path, tmp_path: Path
) -> None:
    """A pre-balance that is wrong gives other results in every client: not INVALID, where the file shows it wrong."""
    (content,) = load(real_blocks / "mainnet" / "1_1150000_zeth.json.gz")
    derived, _ = with_sections(content)
    assert derived.prestate is not None
    accounts = dict(decode_prestate(derived.prestate))
    address, account = next((address, account) for address, account in accounts.items() if account and account.balance)
    accounts[address] = replace(account, balance=account.balance + 1)
    report = adapters.judge(replace(derived, prestate=encode_prestate(accounts)), tmp_path, mode=Mode.PRESTATE)
    assert {vote.kind for vote in report.votes} == {VoteKind.ABSTAIN}
    assert any(f"0x{address.hex()}" in (vote.reason or "") for vote in report.votes)
