"""An execution client that knows its answers: those that the sidecar asks for, over a real connection."""

import asyncio
import json
from itertools import islice
from pathlib import Path

from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from verifier.app import bundled_chain
from verifier.executors.stateful.engine_api import ExecutionClientSource, ExecutionRpc, find_chain_config
from verifier.load.execution_client import KnownAnswers
from verifier.load.repeated_block import RepeatedBlock
from verifier.services.recording import RecordOptions, record
from witness.file import map_witness_file
from witness.formats.geth_rlp import decode_witness_rlp
from witness.model import BlockWitness


def recorded(directory: Path) -> BlockWitness:
    """The bundled chain's second block."""
    chain = bundled_chain()
    events = record(chain / "chain.rlp", RecordOptions(directory, chain / "genesis.json", sync=False))
    *_, event = islice(events, 2)
    assert event.path is not None
    return map_witness_file(event.path)


def test_it_answers_what_the_sidecar_asks(tmp_path: Path) -> None:
    content = recorded(tmp_path)
    repeated = RepeatedBlock(content)
    block = repeated.repetition(3)

    async def scenario() -> None:
        async with TestServer(KnownAnswers(repeated, 4).application()) as server, ClientSession() as session:
            url = str(server.make_url("/"))

            async def ask(request: bytes) -> dict[str, object]:
                async with session.post(url, data=request) as response:
                    answer: dict[str, object] = (await response.json())["result"]
                return answer

            status = {"status": "VALID", "latestValidHash": f"0x{block.hash.hex()}", "validationError": None}
            assert await ask(block.request) == status
            judged = await ask(block.request.replace(b"newPayload", b"newPayloadWithWitness"))
            witness = decode_witness_rlp(bytes.fromhex(str(judged.pop("witness"))[2:]))
            assert judged == status
            assert set(map(bytes, witness.state)) == set(map(bytes, content.witness.state))
            choice = {"headBlockHash": f"0x{block.hash.hex()}"}
            call = {"jsonrpc": "2.0", "id": 1, "method": "engine_forkchoiceUpdatedV2", "params": [choice, None]}
            assert (await ask(json.dumps(call).encode()))["payloadStatus"] == status

            client = ExecutionRpc(url, session)
            assert json.loads(await find_chain_config(client)) == json.loads(bytes(content.chain_config))
            first = await client.header_at(0)
            assert first is not None
            assert await client.header_at("finalized") is None
            source = ExecutionClientSource(client, bytes(content.chain_config))
            encoded = await source.block(block.hash)
            assert encoded == block.block
            assert (await source.witness(encoded)).content.hash == block.hash

    asyncio.run(scenario())
