"""Osaka and Amsterdam on a real geth, through the real sidecar: every lineage that knows the fork says VALID.

FORK_BLOCKS=200 drives as many blocks of each fork; by default enough that every kind of transaction comes.
"""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.end_to_end.sidecar.private_network import EXECUTOR, PrivateNetwork, Settings, private_network
from tests.peers.installation import require_geth
from verifier.demo.driver import Built
from verifier.demo.traffic import Traffic

BLOCKS = int(os.environ.get("FORK_BLOCKS", "20"))
LIVE = {
    "osaka": ["geth", "revm", "ethrex", "ethereumjs", "eels", "pyevm"],
    "amsterdam": ["geth", "ethrex"],  # the only ones that know it
}
SUBMISSIONS = 20  # of one block: each is held for some seconds, and a busy machine takes long for the first ones


@pytest.mark.parametrize("fork", LIVE)
def test_every_lineage_attests_every_block(fork: str, tmp_path: Path) -> None:
    settings: Settings = {
        "adapters": {"live": LIVE[fork], "late": []},
        "quorum": {"required": len(LIVE[fork])},  # ATTEST only if all of them say VALID
        "engine": {"hold_seconds": 7.0},
    }
    transactions: Counter[str] = Counter()

    async def scenario() -> None:
        async with private_network(tmp_path, require_geth(), fork, settings) as network:
            traffic = Traffic(fork)
            for number in range(1, BLOCKS + 1):
                network.node.send(traffic.transactions(number))
                block = await network.driver.build()
                await attested(network, block)
                receipts = await network.rpc.call("eth_getBlockReceipts", block.hash)
                transactions.update(receipt["type"] for receipt in receipts)
                slot = network.beacon.slot_at(int(block.payload["timestamp"], 16))
                network.beacon.add(slot, bytes.fromhex(block.hash[2:]))
                status, body = await network.attestation_data(slot)
                assert status == 200, body
        # The sidecar has ended: a log is written behind what it tells, on a busy machine by some lines.
        votes = Counter((vote["adapter"], vote["vote"]) for vote in network.events("vote"))
        assert votes == {(name, "VALID"): BLOCKS for name in (EXECUTOR, *LIVE[fork])}
        assert not [each for each in network.events("verdict") if each.get("disagreement")]
        assert not [each for each in network.events("alarm") if each["alarm"] != "anchored"]

    started = time.monotonic()
    asyncio.run(scenario())
    print(
        f"{fork}: {BLOCKS} blocks, {sum(transactions.values())} transactions {dict(transactions)},"
        f" {time.monotonic() - started:.0f} s"
    )
    assert len(transactions) == 5, transactions  # every type


async def attested(network: PrivateNetwork, block: Built) -> None:
    """Submits the block until it is VALID, and makes it the head."""
    for _ in range(SUBMISSIONS):
        status = await network.driver.submit(block)
        if status["status"] != "SYNCING":
            break
    assert status["status"] == "VALID", (status, network.events("verdict")[-1:])
    head = await network.driver.adopt(block)
    assert head["status"] == "VALID", head
