"""The two Python lineages as the processes that they are, asked over gRPC: same steps, same changes, of real blocks."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from adapters.pyevm.client import PyEvmClient
from adapters.pyevm.description import SUPPORTED_FORKS
from tests.adapters.prestate_section import derive
from tests.adapters.real_block import MAINNET, load_block, needs_real_data, trusted_root
from tests.adapters.tracing import traced
from verifier.rpc.host.uploads import MAX_PART
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc
from witness.file import encode_witness_file
from witness.model import BlockWitness

if find_spec("ethereum") is None:
    pytest.skip("ethereum-execution is not installed (Python 3.13)", allow_module_level=True)

REPOSITORY = Path(__file__).parents[2]
MODULES = ("adapters.pyevm", "adapters.eels")
BLOCKS = ("1_1150000_zeth", "1_2675000_zeth", "1_4370000_zeth", "1_22615247_keth")
PATIENCE = 300  # seconds; both clients start, and trace, in a few on a free machine


@contextmanager
def serving(module: str, socket: Path) -> Iterator[executor_pb2_grpc.StatelessExecutorStub]:
    """The adapter, healthy, until the block ends."""
    command = [sys.executable, "-m", module, "--socket", str(socket), "--workers", "1"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            with grpc.insecure_channel(f"unix:{socket}") as channel:
                watch = health_pb2_grpc.HealthStub(channel).Watch(
                    health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE
                )
                for response in watch:
                    if response.status == health_pb2.HealthCheckResponse.SERVING:
                        break
                watch.cancel()
                yield executor_pb2_grpc.StatelessExecutorStub(channel)  # type: ignore[no-untyped-call]  # generated
        finally:
            process.kill()


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[executor_pb2_grpc.StatelessExecutorStub]]:
    folder = tmp_path_factory.mktemp("sockets")
    with ExitStack() as stack:
        yield [stack.enter_context(serving(module, folder / f"{module}.sock")) for module in MODULES]


def uploaded(stub: executor_pb2_grpc.StatelessExecutorStub, content: BlockWitness) -> bytes:
    """The digest of the file, once the adapter holds it."""
    encoded = encode_witness_file(content)
    digest = sha256(encoded).digest()
    parts = [pb.UploadPart(content=encoded[at : at + MAX_PART]) for at in range(0, len(encoded), MAX_PART)]
    parts[0].digest, parts[0].length = digest, len(encoded)
    stub.Upload(iter(parts), timeout=PATIENCE)
    return digest


@needs_real_data
@pytest.mark.parametrize("name", BLOCKS)
def test_same_steps_and_changes(stubs: list[executor_pb2_grpc.StatelessExecutorStub], name: str) -> None:
    proof = load_block(MAINNET / f"{name}.json.gz")
    client = PyEvmClient()
    both = replace(derive(proof, SUPPORTED_FORKS, client).of(proof), witness=proof.witness)
    asked = pb.ExecuteRequest(block_hash=both.hash, pre_state_root=trusted_root(both))
    found = []
    for stub in stubs:
        asked.uploaded = uploaded(stub, both)
        answers = []
        for mode in (pb.MODE_PROOF, pb.MODE_PRESTATE):
            asked.mode = mode
            *events, last = stub.Trace(pb.TraceRequest(execution=asked), timeout=PATIENCE)
            assert last.outcome.computed == stub.Execute(asked, timeout=PATIENCE).computed
            answers.append((traced(events), last.outcome.computed))
        (in_proof, _), (in_prestate, _) = answers
        assert in_proof == in_prestate
        found.append(answers)
    for (one, computed), (other, also) in zip(*found, strict=True):
        assert computed == also
        assert [(each.start, each.end) for each in one] == [(each.start, each.end) for each in other]
        assert [each.steps for each in one] == [each.steps for each in other]
        assert sum(len(each.steps) for each in one) > 1000
