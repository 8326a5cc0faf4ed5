"""The sidecar as a process, between a client that executes for real and a beacon node: what gets through when."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.sidecar_network import ROOT, Network, hash_of, network
from verifier.executors.stateless.manifest import read_manifest

pytestmark = pytest.mark.skipif(
    read_manifest(ROOT / "adapters" / "eels" / "adapter.toml").unavailable_because() is not None,
    reason="needs EELS, which has no package for this Python",
)


def ledger(folder: Path) -> dict[str, dict[str, object]]:
    """The ledger's blocks by hash, as `verifier ledger show` tells them."""
    command = (sys.executable, "-m", "verifier.cli.main", "ledger", "show", "--json", "--all", "--ledger")
    shown = subprocess.run([*command, str(folder / "ledger.sqlite")], cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    return {entry["hash"]: entry for entry in map(json.loads, shown.stdout.splitlines())}


def test_honest_blocks_are_attested_and_survive_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with network(tmp_path) as net:
            await net.start()
            for block in net.blocks[:3]:
                answer = await net.new_payload(block)
                assert answer["status"] == "VALID", f"{answer}\n{net.log()}"
                assert (await net.choose(block))["payloadStatus"]["status"] == "VALID"
                status, body = await net.attestation_data(net.propose(block))
                assert status == 200, body
            assert await net.stop() == 0, net.log()
            kept = ledger(tmp_path)
            assert {kept[hash_of(block)]["status"] for block in net.blocks[:3]} == {"verified"}

            await net.start()
            status, body = await net.attestation_data(net.node.head.slot)
            assert status == 200, body  # what was verified before stays so, and nobody is asked again
            assert (await net.new_payload(net.blocks[3]))["status"] == "VALID", net.log()
            assert await net.stop() == 0, net.log()

    asyncio.run(scenario())


async def pause(net: Network, word: str = "adapters.") -> list[int]:
    """Stops every adapter process, so that no verdict can come; their process ids."""
    paused = []
    for each in net.adapters():
        if any(word in part for part in each.cmdline()):
            each.send_signal(signal.SIGSTOP)
            paused.append(each.pid)
    assert paused
    return paused


def test_nothing_gets_out_while_a_block_is_undecided_nor_after_a_kill_in_the_middle(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with network(tmp_path, {"ENGINE_HOLD_SECONDS": "0.5", "BEACON_HOLD_SECONDS": "0.25"}) as net:
            await net.start()
            first, second = net.blocks[:2]
            await net.until(lambda: verified(net, first), "the first block verified")
            slot = net.propose(first)
            assert (await net.attestation_data(slot))[0] == 200

            await pause(net)
            answer = await net.new_payload(second)
            assert answer["status"] == "SYNCING", answer
            assert answer["latestValidHash"] is None
            assert net.client.chain.header(bytes.fromhex(hash_of(second)[2:])) is not None  # it was executed at once
            slot = net.propose(second)
            status, body = await net.attestation_data(slot)
            assert status == 503, body
            assert "undecided" in body["message"], body
            choice = await net.choose(second)
            assert choice["payloadStatus"]["status"] == "SYNCING", choice

            await net.kill()
            assert ledger(tmp_path)[hash_of(second)]["status"] != "verified"
            await net.start()
            await net.until(lambda: attested(net, slot), "the second block attested after the restart")
            assert (await net.new_payload(second))["status"] == "VALID"
            assert ledger(tmp_path)[hash_of(second)]["status"] == "verified"
            assert await net.stop() == 0, net.log()

    asyncio.run(scenario())


async def verified(net: Network, block: bytes) -> bool:
    """Whether the engine gate answers VALID to a block; one that came too late for the verdict is sent again."""
    answer = await net.new_payload(block)
    assert answer["status"] in ("VALID", "SYNCING"), answer
    return bool(answer["status"] == "VALID")


async def attested(net: Network, slot: int) -> bool:
    """Whether attestation data is given out for the head."""
    status, body = await net.attestation_data(slot)
    assert status in (200, 503), body
    return status == 200


REFUSED = {
    "port in use": ({"ENGINE_LISTEN": "{taken}"}, "cannot listen on 127.0.0.1"),
    "no secret": ({"EXECUTION_JWT_SECRET_FILE": '"absent.jwt"'}, "JWT secret"),
    "another secret": ({"EXECUTION_JWT_SECRET_FILE": '"consensus.jwt"'}, "JWT secret"),
    "no such adapter": ({"ADAPTERS_LIVE": '["nobody"]'}, "no such adapter: nobody"),
    "another chain": ({"CHAIN_GENESIS": '"genesis.json"'}, "the execution client is on chain 7330001"),
}


@pytest.mark.parametrize(("options", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_start_ends_with_one_clear_line(options: dict[str, str], reason: str, tmp_path: Path) -> None:
    document = json.loads((ROOT / "fixtures" / "chain" / "genesis.json").read_text())
    document["config"]["chainId"] = 5
    (tmp_path / "genesis.json").write_text(json.dumps(document))

    async def scenario() -> tuple[int, list[str]]:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        taken = json.dumps(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
        filled = {name: text.format(taken=taken) for name, text in options.items()}
        async with server, network(tmp_path, filled) as net:
            await net.launch()
            assert net.process is not None
            output, _ = await net.process.communicate()
            assert not output  # it was never READY
            assert net.process.returncode is not None
            return net.process.returncode, net.log().splitlines()

    status, lines = asyncio.run(scenario())
    assert status == 2, lines
    assert lines[-1].startswith("verifier: "), lines
    assert reason in lines[-1]
