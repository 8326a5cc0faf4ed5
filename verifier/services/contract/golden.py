"""Golden outputs: what a client answered about blocks of the bundled chain, kept beside its adapter.

With them the comparison is tested where no client is installed, and where one is, a change in what it answers is seen.
`adapters/<name>/golden/answers.jsonl` has one line a case: its name, the RLP of the header that was asked about, and
the response as protobuf-JSON, without its timings.
"""

import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import rlp
from google.protobuf import json_format

from verifier.domain.result import Mode
from verifier.errors import InputError
from verifier.executors.stateless.manifest import Manifest
from verifier.rpc.v1 import executor_pb2 as pb
from witness.errors import EncodingError
from witness.header import decode_header, keccak256
from witness.json_document import load_json
from witness.model import BlockWitness, Header

from .bundled_block import BundledBlock
from .subject import Subject, with_part
from .tampering import POSITION, added, decoded, flipped, rebuilt

FILE = Path("golden") / "answers.jsonl"
# Of the bundled chain, by what is in them (`bundle` says it of some): every fork, transaction type and kind of request.
NUMBERS = (1, 3, 6, 7, 9, 11, 12, 15, 19, 20, 23, 24, 26, 30, 33, 36, 37)
CHANGED = 15  # the block that the changed cases are made out of


@dataclass(frozen=True)
class Case:
    """One question. content: what the file holds; block: the bundled block that it was made out of."""

    name: str
    block: BundledBlock
    content: BlockWitness
    mode: Mode


@dataclass(frozen=True)
class GoldenAnswer:
    """One answer that is kept. header: of the block that was asked about, which may be none of the chain's."""

    case: str
    mode: Mode
    header: Header
    response: pb.ExecuteResponse


def golden_cases(subject: Subject) -> Iterator[Case]:
    """The questions, for the forks that the adapter lists."""
    for block in subject.chosen(NUMBERS):
        yield Case(f"block {block.number}", block, block.content, Mode.PROOF)
        if pb.MODE_PRESTATE in subject.description.modes:
            yield Case(f"block {block.number}", block, block.content, Mode.PRESTATE)
    for block in subject.chosen((CHANGED,)):
        for name, content in _changed(block):
            yield Case(f"block {block.number}, {name}", block, content, Mode.PROOF)


def _changed(block: BundledBlock) -> Iterator[tuple[str, BlockWitness]]:
    root = [index for index, node in enumerate(block.content.witness.state) if keccak256(node) == block.root]
    nodes = [node for index, node in enumerate(block.content.witness.state) if index not in root]
    yield "without the root's node", with_part(block.content, "state", nodes)
    yield "without headers", with_part(block.content, "headers", [])
    for name, field, change in (
        ("another state root", "state_root", flipped),
        ("another gas used", "gas_used", added(1)),
        ("another base fee", "base_fee", added(1)),
        ("another withdrawals root", "withdrawals_root", flipped),
    ):
        changed = decoded(block.content)
        changed[0][POSITION[field]] = change(changed[0][POSITION[field]])
        yield name, rebuilt(block.content, changed)


async def golden_answers(subject: Subject) -> AsyncIterator[GoldenAnswer]:
    """What the adapter answers now. Raises InputError where it does not answer a case."""
    modes = {Mode.PROOF: pb.MODE_PROOF, Mode.PRESTATE: pb.MODE_PRESTATE}
    for case in golden_cases(subject):
        answer = await subject.ask(case.block, case.content, mode=modes[case.mode])
        if answer.response is None:
            raise InputError(f"{subject.name}: {case.name}, {case.mode}: {answer}")
        response = pb.ExecuteResponse()
        response.CopyFrom(answer.response)
        response.ClearField("timings")
        yield GoldenAnswer(case.name, case.mode, decode_header(_header_rlp(case.content)), response)


def golden_line(answer: GoldenAnswer, header: bytes) -> str:
    """One line of the file. header: RLP."""
    response = json_format.MessageToDict(answer.response, preserving_proto_field_name=True)
    document = {"case": answer.case, "mode": answer.mode, "header": f"0x{header.hex()}", "response": response}
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


async def record_golden(subject: Subject) -> list[str]:
    """The lines of the adapter's file, as it answers now. Raises InputError."""
    headers = {}
    for case in golden_cases(subject):
        encoded = _header_rlp(case.content)
        headers[keccak256(encoded)] = encoded
    return [golden_line(answer, headers[answer.header.hash]) async for answer in golden_answers(subject)]


def read_golden(manifest: Manifest) -> list[GoldenAnswer]:
    """The answers that are kept. Raises InputError if the file is not there, or is none."""
    path = manifest.folder / FILE
    try:
        return [_parsed(line) for line in path.read_text().splitlines()]
    except (OSError, ValueError, LookupError, TypeError, EncodingError) as error:
        raise InputError(f"{path}: {error}") from None


def golden_differences(kept: list[str], now: list[str]) -> list[str]:
    """The names of cases that are answered otherwise than they were, new and gone ones included."""
    before, after = ({_name(line): line for line in lines} for lines in (kept, now))
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def write_golden(manifest: Manifest, lines: list[str]) -> Path:
    """Replaces the adapter's file as a whole. Raises OSError."""
    path = manifest.folder / FILE
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text("".join(f"{line}\n" for line in lines))
    temporary.replace(path)
    return path


def kept_lines(manifest: Manifest) -> list[str]:
    """The lines of the adapter's file. Raises InputError."""
    try:
        return (manifest.folder / FILE).read_text().splitlines()
    except OSError as error:
        raise InputError(f"{manifest.folder / FILE}: {error.strerror}") from None


def _name(line: str) -> str:
    document = load_json(line.encode())
    return f"{document['case']}, {document['mode']}"


def _parsed(line: str) -> GoldenAnswer:
    document = load_json(line.encode())
    header = decode_header(bytes.fromhex(document["header"].removeprefix("0x")))
    try:
        response = json_format.ParseDict(document["response"], pb.ExecuteResponse())
    except json_format.ParseError as error:
        raise ValueError(str(error)) from None
    return GoldenAnswer(document["case"], Mode(document["mode"]), header, response)


def _header_rlp(content: BlockWitness) -> bytes:
    return bytes(rlp.encode(decoded(content)[0]))
