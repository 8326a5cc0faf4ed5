"""The sidecar as it is run less often: witnesses of its own, bare values, one gate alone, and nothing gated."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import rlp

from tests.end_to_end.sidecar_network import ROOT, Network, hash_of, network
from tests.end_to_end.test_sidecar import ledger, pause, verified
from verifier.app.sidecar import Sidecar
from verifier.configuration.reading import read_configuration
from verifier.domain.event import Alarm, Event, VoteCast, WitnessPublished
from verifier.domain.result import Computed, Result
from verifier.domain.vote import VoteKind
from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.embedded.building import BlockPlan
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from verifier.executors.stateless.manifest import read_manifest
from witness.header import decode_block_header
from witness.model import PostAccount

pytestmark = pytest.mark.skipif(
    read_manifest(ROOT / "adapters" / "eels" / "adapter.toml").unavailable_because() is not None,
    reason="needs EELS, which has no package for this Python",
)
STATE_ROOT = 3  # its index in a header


class Mistaken:
    """What an execution client with a bug says of chosen blocks, put before the real one's import."""

    def __init__(self, honest: Callable[[bytes], ImportOutcome]) -> None:
        self._honest = honest
        self.refused: set[str] = set()
        self.accepted: set[str] = set()

    def __call__(self, encoded: bytes) -> ImportOutcome:
        outcome = self._honest(encoded)
        if hash_of(encoded) in self.refused:
            return replace(outcome, results=None, invalid="a rule that it made up", known=False)
        if hash_of(encoded) in self.accepted:
            return replace(outcome, invalid=None)
        return outcome


def with_another_root(block: bytes) -> bytes:
    """The block with a state root that nobody computes."""
    fields = list(rlp.decode(block))
    header = list(fields[0])
    header[STATE_ROOT] = bytes(31) + b"\x01"
    return bytes(rlp.encode([header, *fields[1:]]))


def on(net: Network, parent: bytes) -> bytes:
    """A block of the execution client's own on the parent, without transactions."""
    header = decode_block_header(parent)
    return net.client.chain.build(header.hash, BlockPlan(header.timestamp + 12, extra_data=b"another"))[0]


def alarms(net: Network) -> dict[str, str]:
    """The alarms in the log: name → the last one's text."""
    lines = [json.loads(line) for line in net.log().splitlines() if line.startswith("{")]
    return {line["alarm"]: line["text"] for line in lines if "alarm" in line}


def test_the_embedded_executor_witnesses_votes_and_is_there_again_after_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with network(tmp_path, {"EXECUTION_WITNESS": '"embedded"'}, witnesses=False) as net:
            client = Mistaken(net.client.chain.import_block)
            net.client.chain.import_block = client  # type: ignore[method-assign]
            first, second, third = net.blocks[:3]
            await net.start()
            await net.until(lambda: verified(net, first), "the first block verified")
            assert (await net.new_payload(second))["status"] == "VALID", net.log()
            status, body = await net.attestation_data(net.propose(second))
            assert status == 200, body

            # What the execution client alone calls INVALID stays invalid, and is said.
            client.refused.add(hash_of(third))
            assert (await net.new_payload(third))["status"] == "INVALID"
            await net.until(lambda: said(net, "executor_alone_invalid"), "the contradiction said")
            assert "VALID by eels, embedded, pyevm" in alarms(net)["executor_alone_invalid"]
            assert (await net.new_payload(third))["status"] == "INVALID"

            # What it alone calls VALID is disputed.
            bad = with_another_root(on(net, second))
            client.accepted.add(hash_of(bad))
            answer = await net.new_payload(bad)
            assert answer["status"] == "SYNCING", f"{answer}\n{net.log()}"
            await net.until(lambda: said(net, "embedded_contradicts"), "the embedded executor's word said")
            await net.kill()  # its process is gone too, and its database can be opened again
            kept = ledger(tmp_path)
            assert [kept[hash_of(each)]["status"] for each in (first, second, third, bad)] == [
                *("verified", "verified", "invalid", "disputed")
            ]

            # Another branch, of which one block came in while the sidecar was away.
            missed = on(net, first)
            client(missed)
            above = on(net, missed)
            await net.start()
            await net.until(lambda: verified(net, above), "the other branch verified")
            assert await net.stop() == 0, net.log()
            assert ledger(tmp_path)[hash_of(missed)]["status"] == "verified"
            assert not [name for name in net.client.asked if "itness" in name and name.startswith("engine_new")]

    asyncio.run(scenario())


async def said(net: Network, alarm: str) -> bool:
    """Whether the alarm was raised."""
    return alarm in alarms(net)


class Heard:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def votes(self, block: bytes) -> dict[str, VoteKind]:
        """The last vote of each on a block."""
        mine = [
            each for each in self.events if isinstance(each, VoteCast) and hash_of(block)[2:] == each.block.hash.hex()
        ]
        return {each.vote.adapter: each.vote.kind for each in mine}


class PostStateLiar:
    """A real adapter, of whose answer on one block a balance is changed. What a header tells stays right."""

    def __init__(self, honest: StatelessExecutor) -> None:
        self._honest = honest
        self.name, self.lineage = honest.name, honest.lineage
        self.about = ""

    @property
    def expected_ms(self) -> float:
        return self._honest.expected_ms

    async def execute(self, request: ExecutionRequest) -> Result:
        result = await self._honest.execute(request)
        outcome = result.outcome
        if request.block_hash.hex() != self.about or not isinstance(outcome, Computed) or outcome.post_state is None:
            return result
        state = dict(outcome.post_state)
        address, account = next((key, each) for key, each in state.items() if isinstance(each, PostAccount))
        state[address] = replace(account, balance=account.balance + 1)
        return replace(result, outcome=replace(outcome, post_state=state))


def test_bare_values_behind_the_attestation_gate_alone(tmp_path: Path) -> None:
    options = {
        "ENGINE_ENABLED": "false",
        "EXECUTION_RPC_URL": '"{execution}"',
        "MODE_EXECUTION": '"prestate"',
        "BEACON_HOLD_SECONDS": "5.0",
    }
    liars: dict[str, PostStateLiar] = {}
    heard = Heard()

    def decorate(adapter: StatelessExecutor) -> StatelessExecutor:
        liars[adapter.name] = PostStateLiar(adapter)
        return liars[adapter.name]

    async def scenario() -> None:
        async with network(tmp_path, options) as net:
            net.client.secret = None  # its plain JSON-RPC
            effective = read_configuration(tmp_path / "verifier.toml")
            async with Sidecar(effective, decorate=decorate, observers=[heard]) as addresses:
                assert not addresses.engine
                net.addresses = {"beacon": addresses.beacon, "status": addresses.status}
                await net.until(net.ready, "ready")
                first, second = net.blocks[:2]
                for block in (first, second):
                    net.client.chain.import_block(block)  # the consensus client talks to it directly
                slot = net.propose(first)
                await net.until(lambda: given_out(net, slot), "the first block attested")
                votes = heard.votes(first)  # as many as were needed; the client's for giving the witness
                assert {votes["execution-client"], votes["eels"]} == {VoteKind.VALID}

                liars["eels"].about = hash_of(second)[2:]
                status, body = await net.attestation_data(net.propose(second))
                assert status == 503, body
                await net.until(lambda: voted(heard, second, "eels"), "the liar heard")
                assert heard.votes(second)["eels"] is VoteKind.ABSTAIN  # nobody can tell who of two is right
                differing = [
                    each.vote.differences[0].field
                    for each in heard.events
                    if isinstance(each, VoteCast) and each.vote.differences
                ]
                assert differing
                assert differing[0].startswith("post_state.0x")
            assert {each.source for each in heard.events if isinstance(each, WitnessPublished)} == {"debug"}
            assert "engine_gate_off" in {each.name for each in heard.events if isinstance(each, Alarm)}

    asyncio.run(scenario())


async def voted(heard: Heard, block: bytes, adapter: str) -> bool:
    """Whether an adapter's vote on a block was heard."""
    return adapter in heard.votes(block)


async def given_out(net: Network, slot: int) -> bool:
    """Whether attestation data is given out for the slot."""
    return (await net.attestation_data(slot))[0] == 200


def test_monitor_gates_nothing_and_says_what_it_would_have_done(tmp_path: Path) -> None:
    options = {"MODE_GATE": '"monitor"', "ENGINE_HOLD_SECONDS": "0.25", "BEACON_HOLD_SECONDS": "0.25"}

    async def scenario() -> None:
        async with network(tmp_path, options) as net:
            await net.start()
            first = net.blocks[0]
            await pause(net)
            answer = await net.new_payload(first)
            assert (answer["status"], answer["latestValidHash"]) == ("VALID", hash_of(first)), answer
            assert (await net.choose(first))["payloadStatus"]["status"] == "VALID"
            status, body = await net.attestation_data(net.propose(first))
            assert status == 200, body
            assert body["data"]
            await net.until(lambda: would_have_gated(net), "what would have been gated told")
            await net.kill()
            assert ledger(tmp_path)[hash_of(first)]["status"] != "verified"
            assert "monitor_mode" in alarms(net)

    asyncio.run(scenario())


async def would_have_gated(net: Network) -> bool:
    """Whether both gates have told of answers that they would have held or refused."""
    async with net.session.get(f"{net.addresses['status']}metrics") as response:
        lines = (await response.text()).splitlines()
    gated = [line for line in lines if line.startswith("verifier_gate_answers_total") and 'gated="yes"' in line]
    return all(
        any(f'gate="{gate}"' in line and not line.endswith(" 0.0") for line in gated) for gate in ("engine", "beacon")
    )
