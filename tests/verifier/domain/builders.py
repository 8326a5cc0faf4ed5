"""Values of the core for tests, with everything that a test does not care about filled in."""

from dataclasses import replace

from verifier.domain.result import Computed
from verifier.domain.vote import Vote, VoteKind
from witness.model import Header

PRAGUE_HEADER = Header(
    hash=b"\x01" * 32,
    parent_hash=b"\x02" * 32,
    uncles_hash=b"\x03" * 32,
    coinbase=b"\x04" * 20,
    state_root=b"\x05" * 32,
    transactions_root=b"\x06" * 32,
    receipts_root=b"\x07" * 32,
    logs_bloom=b"\x08" * 256,
    difficulty=0,
    number=22_615_247,
    gas_limit=36_000_000,
    gas_used=1_300_000,
    timestamp=1_748_000_000,
    extra_data=b"",
    mix_hash=b"\x09" * 32,
    nonce=bytes(8),
    base_fee=7,
    withdrawals_root=b"\x0a" * 32,
    blob_gas_used=131_072,
    excess_blob_gas=0,
    parent_beacon_block_root=b"\x0b" * 32,
    requests_hash=b"\x0c" * 32,
)
PARIS_HEADER = replace(
    PRAGUE_HEADER,
    withdrawals_root=None,
    blob_gas_used=None,
    excess_blob_gas=None,
    parent_beacon_block_root=None,
    requests_hash=None,
)


def computed_for(header: Header) -> Computed:
    """What a client computes that agrees with the header."""
    return Computed(
        state_root=header.state_root,
        receipts_root=header.receipts_root,
        logs_bloom=header.logs_bloom,
        gas_used=header.gas_used,
        transactions_root=header.transactions_root,
        blob_gas_used=header.blob_gas_used,
        withdrawals_root=header.withdrawals_root,
        requests_hash=header.requests_hash,
        block_access_list_hash=header.block_access_list_hash,
    )


def vote(adapter: str, kind: VoteKind, lineage: str | None = None) -> Vote:
    """A vote of an adapter whose lineage has its name, unless another is given."""
    return Vote(adapter, lineage or adapter, kind)
