"""The doctor against served clients: what it says where all is well, and where one thing is not."""

import asyncio
import json
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from verifier.app import bundled_chain
from verifier.app.embedded import open_executor
from verifier.configuration.reading import EffectiveConfiguration, read_configuration
from verifier.configuration.sections import Configuration
from verifier.demo.beacon_node import BeaconNode
from verifier.demo.execution_client import ExecutionClient
from verifier.demo.private_chain import PrivateChain
from verifier.doctor.beacon import check_beacon, check_other_nodes
from verifier.doctor.clock import check_clock
from verifier.doctor.embedded import check_embedded
from verifier.doctor.execution import check_execution
from verifier.doctor.finding import Finding, Level
from verifier.doctor.machine import check_machine
from verifier.doctor.peer import Peer, session
from verifier.doctor.quorum import check_quorum
from verifier.doctor.secrets import check_secrets
from verifier.executors.stateful.embedded.initial_state import genesis_hash
from verifier.services.conformance.loaders.genesis import load_genesis

Check = Callable[[Any, Configuration], AsyncIterator[Finding]]


def configured(folder: Path, **flags: str) -> EffectiveConfiguration:
    """A configuration with two good secrets in `folder`; flags: section_key="text"."""
    for name in ("execution.jwt", "consensus.jwt"):
        path = folder / name
        if not path.exists():
            path.write_text(secrets.token_hex(32))
            path.chmod(0o600)
    given = {
        "execution_jwt_secret_file": str(folder / "execution.jwt"),
        "engine_jwt_secret_file": str(folder / "consensus.jwt"),
        "execution_lineage": "pyevm",
        "adapters_live": "pyevm,eels",
        "adapters_late": "",
        "storage_ledger": str(folder / "ledger.sqlite"),
        "storage_witnesses": str(folder / "witnesses"),
        "storage_witnesses_bytes": "1000",
        **flags,
    }
    return read_configuration(None, {}, {"--" + name.replace("_", "-"): text for name, text in given.items()})


def said(findings: list[Finding], level: Level) -> str:
    """What was found of a level, one line each."""
    return "\n".join(f"{each.subject}: {each.text} -> {each.remedy}" for each in findings if each.level is level)


async def ask(check: Check, values: Configuration) -> list[Finding]:
    async with session() as asking:
        return [finding async for finding in check(asking, values)]


@asynccontextmanager
async def execution_client(folder: Path, **options: bool) -> AsyncIterator[str]:
    secret = bytes.fromhex((folder / "execution.jwt").read_text())
    with (
        PrivateChain(folder / "chain", load_genesis(bundled_chain() / "genesis.json")) as chain,
        ExecutionClient(chain, secret, **options) as client,
    ):
        async with TestServer(client.application()) as server:
            yield str(server.make_url("/"))


def test_an_execution_client_in_order(tmp_path: Path) -> None:
    async def scenario() -> list[Finding]:
        configured(tmp_path)
        async with execution_client(tmp_path) as url:
            return await ask(check_execution, configured(tmp_path, execution_url=url).values)

    findings = asyncio.run(scenario())
    assert {each.level for each in findings} == {Level.OK}
    text = said(findings, Level.OK)
    assert "accepts the secret" in text
    assert "lineage pyevm" in text
    assert "chain 7330001" in text
    assert "by engine, debug" in text
    assert "clock agrees" in text


def test_an_execution_client_with_something_wrong(tmp_path: Path) -> None:
    async def scenario() -> dict[str, list[Finding]]:
        configured(tmp_path)
        found = {}
        async with execution_client(tmp_path, witness_calls=False, debug_calls=False) as url:
            found["no witness"] = await ask(check_execution, configured(tmp_path, execution_url=url).values)
            values = configured(tmp_path, execution_url=url, execution_lineage="geth").values
            found["lineage"] = await ask(check_execution, values)
            (tmp_path / "execution.jwt").write_text(secrets.token_hex(32))
            found["secret"] = await ask(check_execution, configured(tmp_path, execution_url=url).values)
        found["gone"] = await ask(check_execution, configured(tmp_path, execution_url=url).values)
        return found

    found = asyncio.run(scenario())
    assert "has neither engine_newPayloadWithWitness" in said(found["no witness"], Level.FAIL)
    assert 'set lineage = "pyevm"' in said(found["lineage"], Level.FAIL)
    assert "refuses our token" in said(found["secret"], Level.FAIL)
    assert "Connection refused" in said(found["gone"], Level.FAIL)


def test_the_embedded_executor_in_order_and_not(tmp_path: Path) -> None:
    genesis = bundled_chain() / "genesis.json"
    other = json.loads(genesis.read_text())
    other["extraData"] = "0x01"
    (tmp_path / "other.json").write_text(json.dumps(other))

    async def scenario() -> dict[str, list[Finding]]:
        configured(tmp_path)
        flags = {"execution_witness": "embedded", "storage_embedded": str(tmp_path / "embedded")}
        found = {}
        async with execution_client(tmp_path, witness_calls=False, debug_calls=False) as url:
            flags["execution_url"] = url
            values = configured(tmp_path, **flags, chain_genesis=str(genesis)).values
            found["new"] = await ask(check_execution, values)
            assert not (tmp_path / "embedded").exists()  # nothing is changed
            with closing(open_executor(values.storage.embedded, load_genesis(genesis), sections=False)):
                found["running"] = await ask(check_execution, values)
            found["there"] = await ask(check_execution, values)
            values = configured(tmp_path, **flags, chain_genesis=str(tmp_path / "other.json")).values
            found["foreign"] = await ask(check_execution, values)
            flags["storage_embedded"] = str(tmp_path / "none")
            values = configured(tmp_path, **flags, chain_genesis=str(tmp_path / "other.json")).values
            found["genesis"] = await ask(check_execution, values)
        return found

    found = asyncio.run(scenario())
    for name in ("new", "there"):
        assert {each.level for each in found[name]} == {Level.OK}, found[name]
        assert "embedded executor: at block 0, the execution client at 0" in said(found[name], Level.OK)
    assert "is in use by another process" in said(found["running"], Level.WARN)
    assert "belongs to chain 7330001" in said(found["foreign"], Level.FAIL)
    assert "its block 0 is 0x" in said(found["genesis"], Level.FAIL)


def test_an_embedded_executor_that_is_too_far_behind(tmp_path: Path) -> None:
    genesis = bundled_chain() / "genesis.json"

    async def scenario() -> list[Finding]:
        zero = genesis_hash(load_genesis(genesis)).hex()

        async def blocks(request: web.Request) -> web.Response:
            named = (await request.json())["params"][0]
            result = {"number": "0x1588888" if named == "latest" else "0x0", "hash": f"0x{zero}"}
            return web.json_response({"jsonrpc": "2.0", "id": 1, "result": result})

        application = web.Application()
        application.router.add_post("/", blocks)
        flags = {"execution_witness": "embedded", "storage_embedded": str(tmp_path / "embedded")}
        values = configured(tmp_path, **flags, chain_genesis=str(genesis)).values
        async with TestServer(application) as server, session() as asking:
            return [each async for each in check_embedded(values, Peer(asking, str(server.make_url("/"))))]

    text = said(asyncio.run(scenario()), Level.FAIL)
    assert "is at block 0 and cannot reach block 22579336" in text
    assert "`verifier record --state`" in text


def test_a_client_that_answers_garbage(tmp_path: Path) -> None:
    async def garbage(_request: web.Request) -> web.Response:
        return web.Response(body=b"\xff\x00<html>", content_type="application/json")

    async def scenario() -> list[Finding]:
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", garbage)
        async with TestServer(application) as server:
            url = str(server.make_url("/"))
            values = configured(tmp_path, execution_url=url, beacon_url=url).values
            return [*await ask(check_execution, values), *await ask(check_beacon, values)]

    findings = asyncio.run(scenario())
    assert [each.level for each in findings] == [Level.FAIL, Level.FAIL]
    assert "not JSON" in said(findings, Level.FAIL)


def test_a_beacon_node(tmp_path: Path) -> None:
    async def scenario(**flags: str) -> list[Finding]:
        node = BeaconNode(1_700_000_000, seconds_per_slot=6)
        async with TestServer(node.application()) as server:
            values = configured(tmp_path, beacon_url=str(server.make_url("/")), **flags).values
            return await ask(check_beacon, values)

    findings = asyncio.run(scenario(beacon_hold_seconds="1.5"))
    assert {each.level for each in findings} == {Level.OK}
    assert "at most 1.5" in said(asyncio.run(scenario()), Level.WARN)
    wrong = asyncio.run(scenario(beacon_hold_seconds="1", chain_seconds_per_slot="12", chain_genesis_time="1"))
    assert "[chain] seconds_per_slot = 12, the beacon node says 6" in said(wrong, Level.FAIL)
    assert "[chain] genesis_time = 1" in said(wrong, Level.FAIL)


def test_another_beacon_node_beside_the_gate(tmp_path: Path) -> None:
    values = configured(tmp_path).values
    assert "cannot be seen from here" in said(list(check_other_nodes(values, ())), Level.WARN)
    assert "asks the gate alone" in said(list(check_other_nodes(values, ["http://localhost:9552"])), Level.OK)
    both = ["http://127.0.0.1:9552", "http://127.0.0.1:5052"]
    assert "1 of 2 is not the gate" in said(list(check_other_nodes(values, both)), Level.FAIL)
    off = configured(tmp_path, beacon_enabled="false").values
    assert "SYNCING alone does not keep" in said(list(check_other_nodes(off, ())), Level.WARN)
    monitor = configured(tmp_path, mode_gate="monitor").values
    assert "nothing is gated" in said(list(check_other_nodes(monitor, ())), Level.OK)


def test_secrets(tmp_path: Path) -> None:
    values = configured(tmp_path).values
    assert [each.level for each in check_secrets(values)] == [Level.OK, Level.OK]
    (tmp_path / "execution.jwt").chmod(0o640)
    assert "its group can read it -> chmod 600" in said(list(check_secrets(values)), Level.WARN)
    secret = (tmp_path / "execution.jwt").read_text()
    (tmp_path / "consensus.jwt").write_text(secret)
    findings = list(check_secrets(values))
    assert "both are the same" in said(findings, Level.WARN)
    (tmp_path / "consensus.jwt").write_text("0x" + "00" * 32)
    assert "all zeros" in said(list(check_secrets(values)), Level.FAIL)
    (tmp_path / "consensus.jwt").write_text(secret[:-1] + "z")
    (tmp_path / "execution.jwt").unlink()
    findings = list(check_secrets(values))
    assert [each.level for each in findings] == [Level.FAIL, Level.FAIL]
    assert not any(secret[:8] in str(each) for each in findings)


@pytest.mark.parametrize(
    ("ahead", "level"), [(0.0, Level.OK), (-1.9, Level.OK), (5.0, Level.WARN), (-61.0, Level.FAIL)]
)
def test_clocks(ahead: float, level: Level) -> None:
    (finding,) = check_clock("a client", ahead)
    assert finding.level is level
    assert not list(check_clock("a client", None))


def test_the_clock_is_read_from_the_date_of_an_answer(tmp_path: Path) -> None:
    async def late(_request: web.Request) -> web.Response:
        headers = {"Date": formatdate(time.time() - 600, usegmt=True)}
        return web.json_response({"data": {"version": "late/v1"}}, headers=headers)

    async def scenario() -> list[Finding]:
        application = web.Application()
        application.router.add_get("/{tail:.*}", late)
        async with TestServer(application) as server:
            return await ask(check_beacon, configured(tmp_path, beacon_url=str(server.make_url("/"))).values)

    assert "behind ours: tokens are refused" in said(asyncio.run(scenario()), Level.FAIL)


def test_ports_and_directories(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        values = configured(tmp_path, engine_listen=f"127.0.0.1:{port}", beacon_listen="127.0.0.1:0").values
        warnings = said(list(check_machine(values)), Level.WARN)
        assert f"[engine] listen: 127.0.0.1:{port}: Address already in use" in warnings
    (tmp_path / "file").touch()
    values = configured(tmp_path, storage_ledger=str(tmp_path / "file" / "ledger.sqlite")).values
    assert "is not a directory" in said(list(check_machine(values)), Level.FAIL)
    values = configured(tmp_path, storage_witnesses_bytes=str(10**18)).values
    assert "less than the 1000000000.0 GB" in said(list(check_machine(values)), Level.WARN)


def quorum(tmp_path: Path, **flags: str) -> list[Finding]:
    async def scenario() -> list[Finding]:
        return [finding async for finding in check_quorum(configured(tmp_path, **flags))]

    return asyncio.run(scenario())


def test_a_quorum_and_those_who_are_too_slow(tmp_path: Path) -> None:
    findings = quorum(tmp_path, adapters_live="pyevm", execution_lineage="geth")
    assert "lineage pyevm: too slow" in said(findings, Level.WARN)
    assert "n = 2 of m = 2 (geth, pyevm), 1 INVALID reject: one that fails stops" in said(findings, Level.WARN)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"adapters_live": "nobody"}, "[adapters] live: no such adapter: nobody"),
        ({"adapters_live": "pyevm"}, "nobody could contradict it"),
        ({"quorum_required": "1"}, "own word would be enough"),
        ({"quorum_required": "9"}, "9 is not between 1 and the 2 configured lineages"),
        ({"quorum_rejecting": "9"}, "--quorum-rejecting: [quorum] rejecting"),
    ],
)
def test_quorums_that_cannot_be(flags: dict[str, str], reason: str, tmp_path: Path) -> None:
    assert reason in said(quorum(tmp_path, **flags), Level.FAIL)
