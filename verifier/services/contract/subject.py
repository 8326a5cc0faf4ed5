"""The adapter under examination, as the checks see it."""

import asyncio
import itertools
import shutil
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.process import START_TIMEOUT
from verifier.executors.stateless.sockets import create_socket_directory
from verifier.rpc.v1 import executor_pb2 as pb
from witness.file import publish, witness_file_parts
from witness.model import BlockWitness

from .answer import Answer
from .bundle import Bundle
from .bundled_block import BundledBlock
from .connection import Address, Connection, Events, GrpcConnection
from .errors import AdapterStartError, AdapterUnreachableError
from .instance import POLL, Instance

ANSWER_TIMEOUT = 60.0  # seconds for a small block; a Python client on busy cores takes tens of milliseconds
RECOVERY_TIMEOUT = 60.0  # seconds to be able to answer again; a worker with a Python client is started anew in 20
REACH_TIMEOUT = 5.0  # seconds for a running adapter to accept a connection
SPEAK_TIMEOUT = 15.0  # seconds for what accepts connections to speak gRPC; with other TLS than ours it never does
SAMPLE_TIME = 8.0  # seconds that a check of many cases of one kind may take before it goes on with those it has tried


@dataclass
class Subject:
    """What a check has: the connection, what the adapter says of itself, and blocks of forks that it lists.

    scratch: a directory for witness files. instance: its process, where the kit started it. sample_time: seconds for a
    check of many cases. recovery_time: seconds until it has to answer again after what was done to it.
    """

    name: str
    address: Address
    connection: Connection
    description: pb.DescribeResponse
    bundle: Bundle
    scratch: Path
    manifest: Manifest | None = None
    instance: Instance | None = None
    sample_time: float = SAMPLE_TIME
    recovery_time: float = RECOVERY_TIMEOUT
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def blocks(self) -> tuple[BundledBlock, ...]:
        """The bundled blocks of the forks that it lists."""
        return self.bundle.of_forks(self.description.forks)

    def chosen(self, numbers: Iterable[int]) -> list[BundledBlock]:
        """The blocks of these numbers, in this order, as far as it lists their forks."""
        by_number = {block.number: block for block in self.blocks}
        return [by_number[number] for number in numbers if number in by_number]

    @property
    def places(self) -> int:
        """How many requests it says it serves at once."""
        return max(1, self.description.max_concurrent_requests)

    @property
    def unchecked_rules(self) -> set[str]:
        """Names of the rules that it says it cannot check ("nonce")."""
        return rule_names(self.description.unchecked_rules)

    @contextmanager
    def published(self, content: BlockWitness) -> Iterator[Path]:
        """The path of a witness file with this content, as long as the context lasts."""
        path = self.new_path()
        publish(witness_file_parts(content), path, sync=False)
        try:
            yield path
        finally:
            path.unlink()

    def new_path(self) -> Path:
        """A path in the scratch directory where nothing is yet."""
        return self.scratch / f"{next(self._numbers)}.witness"

    async def ask(self, block: BundledBlock, content: BlockWitness | None = None, **fields: Any) -> Answer:
        """Asks about a bundled block, or about `content` that was made out of it. fields: of the request, to change."""
        if content is None:
            return await self.execute(request_for(block, block.path, **fields))
        with self.published(content) as path:
            return await self.execute(request_for(block, path, **{"block_hash": content.hash, **fields}))

    async def execute(self, request: pb.ExecuteRequest | bytes, timeout: float = ANSWER_TIMEOUT) -> Answer:  # noqa: ASYNC109 - the gRPC deadline
        """Sends one request as it is."""
        return await self.connection.execute(request, timeout)

    def trace(
        self,
        request: pb.ExecuteRequest,
        first: int = 0,
        count: int = 0,
        timeout: float = ANSWER_TIMEOUT,
    ) -> Events:
        """Traces the transactions `first` … `first + count`; 0: all from the first on."""
        return self.connection.trace(pb.TraceRequest(execution=request, first=first, count=count), timeout)

    async def upload(
        self,
        parts: Iterable[pb.UploadPart] | AsyncIterable[pb.UploadPart],
        timeout: float = ANSWER_TIMEOUT,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Answer:
        """Uploads these parts; the status that it ended with."""
        return await self.connection.upload(parts, timeout)

    async def recovered(self, block: BundledBlock) -> tuple[bool, float]:
        """Whether it answers rightly in all of its places again in time, and after how many seconds."""
        started = time.monotonic()
        while time.monotonic() - started < self.recovery_time:
            left = self.recovery_time - (time.monotonic() - started)
            answers = await asyncio.gather(
                *(self.execute(request_for(block, block.path), max(0.1, left)) for _ in range(self.places))
            )
            if all(right(answer, block) for answer in answers):
                return True, time.monotonic() - started
            await asyncio.sleep(POLL)
        return False, time.monotonic() - started

    async def ended(self) -> str:
        """How the adapter's process ended, if it has; "" while it runs, or is not ours."""
        if self.instance is None or self.instance.running:
            return ""
        return self.instance.ending()

    async def restart(self) -> None:
        """Starts the process anew after it ended. Raises AdapterStartError."""
        if self.instance is None:
            return
        await self.connection.close()
        await self.instance.kill()
        await self.instance.start(inherit=True)
        self.connection = await self.instance.wait_serving()


def request_for(block: BundledBlock, file: Path, /, **fields: Any) -> pb.ExecuteRequest:
    """The request for a bundled block in this file. fields: further ones of the request, and other values."""
    values: dict[str, Any] = {
        "path": str(file),
        "block_hash": block.header.hash,
        "pre_state_root": block.root,
        "mode": pb.MODE_PROOF,
        **fields,
    }
    if "content" in values or "uploaded" in values:
        del values["path"]
    return pb.ExecuteRequest(**values)


def right(answer: Answer, block: BundledBlock) -> bool:
    """Whether everything computed is equal to the block's own header."""
    return answer.vote(block.header).kind == "VALID"


def rule_names(rules: Iterable[int]) -> set[str]:
    """Rules in words ("nonce"); numbers that the contract does not know are left out."""
    return {pb.Rule.Name(rule).removeprefix("RULE_").lower() for rule in rules if rule in pb.Rule.values()}


def without(content: BlockWitness, part: str, index: int) -> BlockWitness:
    """The content without one element of its witness's "state", "codes" or "headers"."""
    elements = list(getattr(content.witness, part))
    del elements[index]
    return with_part(content, part, elements)


def with_part(content: BlockWitness, part: str, elements: list[Any]) -> BlockWitness:
    """The content with other elements in its witness's "state", "codes" or "headers"."""
    return replace(content, witness=replace(content.witness, **{part: elements}))


@asynccontextmanager
async def started(manifest: Manifest, bundle: Bundle, scratch: Path) -> AsyncIterator[Subject]:
    """The subject of an adapter that the kit starts; nothing of it is left afterwards. Raises AdapterStartError."""
    folder = create_socket_directory()
    instance = Instance(manifest, folder, "a")
    subject: Subject | None = None
    try:
        await instance.start()
        connection = await instance.wait_serving()
        description = await connection.describe()
        if description is None:
            await connection.close()
            raise AdapterStartError(f"{manifest.name}: Describe failed")
        subject = Subject(manifest.name, instance.address, connection, description, bundle, scratch, manifest, instance)
        yield subject
    finally:
        if subject is not None:
            await subject.connection.close()
        await instance.kill()
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def connected(address: Address, bundle: Bundle, scratch: Path) -> AsyncIterator[Subject]:
    """The subject of an adapter that runs already. Raises AdapterUnreachableError."""
    try:
        async with asyncio.timeout(REACH_TIMEOUT):
            _, writer = await address.open()
    except (OSError, TimeoutError) as error:
        raise AdapterUnreachableError(f"{address}: {error or 'no connection'}") from None
    writer.close()
    connection = GrpcConnection(address)
    try:
        started = time.monotonic()
        while (status := await connection.health("")) in ("NOT_SERVING", "UNAVAILABLE"):
            patience = START_TIMEOUT if status == "NOT_SERVING" else SPEAK_TIMEOUT
            if time.monotonic() - started >= patience:
                raise AdapterUnreachableError(f"{address}: {status.lower()} for {patience:.0f} s")
            await asyncio.sleep(POLL)
        description = await connection.describe()
        if description is None:
            raise AdapterUnreachableError(f"{address}: no StatelessExecutor answers Describe there")
        subject = Subject(str(address), address, connection, description, bundle, scratch)
        yield subject
    finally:
        await connection.close()
