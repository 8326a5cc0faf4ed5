"""Blocks with their witnesses, as `witness.formats` reads them, and evidence bundles: one test a file, no chain."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from verifier.domain.conformance import CaseName, Expected
from verifier.domain.dispute import Conclusion
from verifier.services.evidence.bundle import read_bundle
from verifier.services.evidence.errors import EvidenceError
from witness.chain_config import parse_chain_config
from witness.errors import WitnessError
from witness.file import check_binding, map_witness_file, parent_state_root
from witness.formats import load
from witness.json_document import load_json
from witness.model import BlockWitness

from ..case import Case, CaseBlock, LoadFailure
from .errors import FixtureError
from .networks import network_of

WITNESS_KIND, EVIDENCE_KIND = "witness", "evidence"


def load_witness_file(file: Path, path: str) -> Iterator[Case]:
    """Each block of a file of any form that can be imported. Raises FixtureError.

    A block is expected to be valid, unless the file says which rule the recorder found broken. The pre-state root is
    the parent header's, if it is there.
    """
    try:
        for content in load(file):
            header = check_binding(content)
            root = parent_state_root(content, header) or b""
            expected = Expected.INVALID if _is_invalid(content) else Expected.VALID
            yield Case(
                CaseName(path, _test(content), _network(content), WITNESS_KIND),
                (CaseBlock(bytes(content.block), expected, witness=content, pre_state_root=root),),
            )
    except WitnessError as error:
        raise FixtureError(_below(file, str(error))) from None


def load_evidence(directory: Path, path: str) -> Case | LoadFailure:
    """The block of a bundle, expected to be what its dispute came to; one that came to nothing is left out.

    Raises FixtureError.
    """
    try:
        evidence = read_bundle(directory)
        content = map_witness_file(evidence.request.witness)
        check_binding(content)
    except (EvidenceError, WitnessError) as error:
        raise FixtureError(_below(directory, str(error))) from None
    if content.hash != evidence.request.block_hash:
        raise FixtureError(f"the witness file is of block 0x{content.hash.hex()}")
    name = CaseName(path, _test(content), _network(content), EVIDENCE_KIND)
    match evidence.dispute.conclusion:
        case Conclusion.VALID:
            expected = Expected.VALID
        case Conclusion.INVALID:
            expected = Expected.INVALID
        case _:
            return LoadFailure(name, "its dispute was not concluded, so nothing is expected", left_out=True)
    root = evidence.request.pre_state_root
    return Case(name, (CaseBlock(bytes(content.block), expected, witness=content, pre_state_root=root),))


def _test(content: BlockWitness) -> str:
    return f"{content.chain_id}/{content.number}"


def _network(content: BlockWitness) -> str:
    return network_of(parse_chain_config(content.chain_config).fork_at(check_binding(content)))


def _is_invalid(content: BlockWitness) -> bool:
    if content.expected is None:
        return False
    try:
        expected: Any = load_json(content.expected)
    except (ValueError, RecursionError):
        return False  # `witness check` is for this; the block is not judged by it
    return isinstance(expected, dict) and "invalid" in expected


def _below(path: Path, error: str) -> str:
    """The reason alone: where it is is said beside it."""
    return error.removeprefix(f"{path}: ")
