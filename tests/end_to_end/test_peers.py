"""The peers by themselves, without anything of ours between them: what the sidecar's tests are compared with."""

from collections.abc import Iterator

import pytest

from tests.peers.installation import require_geth, require_lodestar
from tests.peers.lodestar import SLOTS_PER_EPOCH
from tests.peers.network import Participant, participation
from verifier.demo.traffic import Traffic

SLOTS = 2 * SLOTS_PER_EPOCH
HEAD_TIMEOUT = 60.0  # seconds without a new head, some slots more than the genesis takes to come


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Participant]:
    require_lodestar()
    with Participant(tmp_path_factory.mktemp("plain"), require_geth()) as plain:
        plain.start_beacon()
        plain.start_validator()
        yield plain


def test_a_plain_chain_attests_every_slot(plain: Participant) -> None:
    traffic = Traffic("shanghai")
    for number, (_, head) in enumerate(plain.beacon.events("head", timeout=HEAD_TIMEOUT), 1):
        plain.geth.send(traffic.transactions(number))
        if int(head["slot"]) >= SLOTS:
            break
    seen = participation(plain.beacon, SLOTS)
    # A slot that a busy machine missed may cost a block, and an attestation with it.
    assert len(seen.blocks) >= SLOTS - 2, sorted(seen.blocks)
    assert len(seen.attested) >= SLOTS - 3, sorted(seen.attested)
    payloads = [block["body"]["execution_payload"] for block in seen.blocks.values()]
    assert sum(bool(payload["transactions"]) for payload in payloads) >= SLOTS // 2
    last = max(payloads, key=lambda payload: int(payload["block_number"]))
    assert plain.geth.block_hash(hex(int(last["block_number"]))) == last["block_hash"]
