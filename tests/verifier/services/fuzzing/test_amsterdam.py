"""Blocks of Amsterdam: built by the rules before it, and filled in by a client."""

import asyncio
from dataclasses import dataclass, field

from verifier.domain.result import BrokenRule, Computed, Outcome
from verifier.services.conformance.case import Case
from verifier.services.fuzzing.amsterdam import AMSTERDAM, UNSTATED, completing
from verifier.services.fuzzing.construction import Constructor
from verifier.services.fuzzing.draft import Draft, HeaderFault, TransactionDraft
from verifier.services.fuzzing.wallets import CONTRACTS
from witness.check import check_witness, is_usable
from witness.header import decode_block_header, decode_header
from witness.model import BlockWitness

COMPUTED = Computed(
    state_root=b"\1" * 32,
    receipts_root=b"\2" * 32,
    logs_bloom=b"\3" * 256,
    gas_used=21_001,
    transactions_root=b"\4" * 32,
    requests_hash=b"\5" * 32,
    block_access_list_hash=b"\6" * 32,
)


@dataclass
class FakeClient:
    """Says what it is told to."""

    says: Outcome = COMPUTED
    asked: list[tuple[BlockWitness, bytes]] = field(default_factory=list)

    async def compute(self, content: BlockWitness, pre_state_root: bytes) -> Outcome:
        """As Computing.compute."""
        self.asked.append((content, pre_state_root))
        return self.says


def case(**rest: object) -> Case:
    late = TransactionDraft(to=CONTRACTS[0], nonce_offset=1)
    draft = Draft(AMSTERDAM, transactions=(TransactionDraft(to=CONTRACTS[0]), late), **rest)  # type: ignore[arg-type]
    built = Constructor().build(draft, "name")
    assert built.included == (0,)
    assert "fork:amsterdam" in built.features
    return built.case


def test_what_the_client_computes_stands_in_the_header() -> None:
    client = FakeClient()
    open_case = case()
    assert open_case.blocks[0].unstated == UNSTATED
    complete = asyncio.run(completing(client)(open_case))
    assert complete is not None
    (block,) = complete.blocks
    assert block.unstated == ()
    header = decode_block_header(block.encoded)
    for name in UNSTATED:
        assert getattr(header, name) == getattr(COMPUTED, name)
    ((content, root),) = client.asked
    parent = decode_header(content.witness.headers[0])
    assert parent.hash == header.parent_hash
    assert parent.state_root == root


def test_the_whole_state_is_a_complete_witness() -> None:
    client = FakeClient()
    asyncio.run(completing(client)(case()))
    ((content, _),) = client.asked
    assert is_usable(check_witness(content))


def test_what_the_client_refuses_is_not_filled_in() -> None:
    assert asyncio.run(completing(FakeClient(BrokenRule("transaction", "x")))(case())) is None


def test_headers_are_not_changed() -> None:
    assert case(fault=HeaderFault("gas-used", 1), with_refused=True).blocks[0].unstated == UNSTATED
