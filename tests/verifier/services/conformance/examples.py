"""Tests of a made-up suite, a recorder that believes every header, and clients that say what they are told to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import rlp

from tests.verifier.services.builders import CONFIG, computed_for, header_rlp
from verifier.domain.conformance import Answer, CaseName, Expected, ReasonClass, Said
from verifier.domain.result import BrokenRule, Outcome
from verifier.executors.stateful.genesis import Genesis
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor
from verifier.services.conformance.case import Case, CaseBlock, Prepared, Recorded
from verifier.services.conformance.clients import Client
from witness.chain_config import parse_chain_config
from witness.errors import WitnessError
from witness.file import map_witness_file, write_witness_file
from witness.header import decode_block_header, decode_header, keccak256
from witness.model import BlockWitness, Header, Witness

CHAIN_CONFIG = parse_chain_config(CONFIG)
GENESIS_ROOT = b"\x05" * 32
GENESIS_RLP = header_rlp(0, bytes(32), GENESIS_ROOT)
GENESIS = Genesis(CHAIN_CONFIG, tuple(rlp.decode(GENESIS_RLP)), {})


def chain(length: int, *, invalid: Mapping[int, str] | None = None, salt: bytes = b"") -> tuple[CaseBlock, ...]:
    """Blocks 1 to `length`, of made-up content. invalid: index → the fixture's exception; no block stands on those."""
    blocks, parent = [], GENESIS_RLP
    for index in range(length):
        exception = (invalid or {}).get(index, "")
        encoded = header_rlp(decode_header(parent).number + 1, keccak256(parent), bytes([index + 1]) * 32, salt)
        block = rlp.encode([rlp.decode(encoded), [], []])
        blocks.append(CaseBlock(block, Expected.INVALID if exception else Expected.VALID, exception))
        if not exception:
            parent = encoded
    return tuple(blocks)


def case(blocks: Sequence[CaseBlock], test: str = "test", last: bytes | None = None) -> Case:
    """A test on the made-up genesis."""
    return Case(CaseName("folder/file.json", test, "Paris", "blockchain_test"), tuple(blocks), GENESIS, last)


@dataclass
class FakeRecorder:
    """Believes every header whose parent it knows, and the fixture about the rest. raises: at which index, what.

    classes: of all rules that it finds broken in each invalid block. ahead: whether each witness comes before what it
    says of the block.
    """

    name: str = "recorder"
    raises: tuple[int, Exception] | None = None
    classes: frozenset[ReasonClass] = frozenset()
    ahead: bool = False
    begun: list[str] = field(default_factory=list)

    def record(self, case: Case, directory: Path) -> Iterator[Prepared | Recorded]:
        """As Recorder.record."""
        self.begun.append(case.name.test)
        known = {keccak256(GENESIS_RLP): GENESIS_RLP}
        for index, block in enumerate(case.blocks):
            if self.raises is not None and self.raises[0] == index:
                raise self.raises[1]
            try:
                header = decode_block_header(block.encoded)
            except WitnessError as error:
                yield Recorded(index, self._answer(Said.INVALID, str(error)))
                continue
            parent = known.get(header.parent_hash)
            if parent is None:
                yield Recorded(index, self._answer(Said.INVALID, "its parent is not known"))
                continue
            content = BlockWitness(1337, header.number, header.hash, block.encoded, witness(parent), CONFIG)
            folder = directory / str(index)
            folder.mkdir()
            path = write_witness_file(content, folder, sync=False)
            if self.ahead:
                yield Prepared(index, content, path)
            if block.expected is Expected.VALID:
                known[header.hash] = rlp.encode(rlp.decode(block.encoded)[0])
                answer = self._answer(Said.VALID)
            else:
                answer = self._answer(Said.INVALID, block.exception)
            classes = frozenset() if block.expected is Expected.VALID else self.classes
            yield Recorded(index, answer, content, path, classes)

    def interrupt(self) -> None:
        """Nothing takes long here."""

    def _answer(self, said: Said, reason: str = "") -> Answer:
        return Answer(self.name, "geth", said, reason, stateful=True)


def witness(parent: bytes) -> Witness:
    """One that holds the parent's header alone."""
    return Witness([b"node"], [], [parent])


def header_of(request: ExecutionRequest) -> Header:
    """Of the block that a client is asked about."""
    return decode_block_header(map_witness_file(request.witness).block)


def honest(request: ExecutionRequest) -> Outcome:
    """Computes what the header says."""
    return computed_for(header_of(request))


def strict(rule: str) -> Callable[[ExecutionRequest], Outcome]:
    """Finds that rule broken, always."""
    return lambda _: BrokenRule(rule, "it is")


def client(
    name: str, answer: Callable[[ExecutionRequest], Outcome] = honest, forks: Sequence[str] = ("paris",)
) -> tuple[Client, FakeExecutor]:
    """A client with its fake, which keeps what it was asked."""
    fake = FakeExecutor(name, name, answer)
    return Client(fake, frozenset(forks), places=2), fake
