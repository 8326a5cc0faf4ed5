"""What is known of one dispute, put together from ledger and evidence, and found by what people call it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier.domain.dispute import Dispute
from verifier.domain.rollback import Rollback
from verifier.domain.statement import Misbehaviour, Statement, contradicts
from verifier.errors import VerifierError
from verifier.ledger.dispute_ledger import DisputeLedger, Quarantine
from witness.chain_config import parse_chain_config
from witness.errors import WitnessError
from witness.file import check_binding, map_witness_file
from witness.model import Header

from .evidence import Evidence, EvidenceError, read_bundle
from .evidence.manifest import NAME

SHORTEST = 4  # digits of a hash that name a block


class UnknownDisputeError(VerifierError):
    """No dispute, or more than one, goes by what was given."""


@dataclass(frozen=True)
class DisputeReport:
    """One dispute. path: of its bundle. trouble: why there is no evidence though there should be, one line.

    header, fork: of the block, where the bundle's witness file has them. misbehaviours: among its statements.
    """

    dispute: Dispute
    quarantines: tuple[Quarantine, ...] = ()
    rollback: Rollback | None = None
    misbehaviours: tuple[Misbehaviour, ...] = ()
    path: Path | None = None
    evidence: Evidence | None = None
    trouble: str = ""
    header: Header | None = None
    fork: str = ""


def find_dispute(disputes: Sequence[Dispute], name: str) -> Dispute:
    """The dispute of this id, or on the block of this number or hash; the hash's first digits do.

    Raises UnknownDisputeError.
    """
    digits = name.removeprefix("0x").lower()
    found = [each for each in disputes if each.id == name]
    found = found or [each for each in disputes if str(each.block.number) == name]
    if not found and len(digits) >= SHORTEST:
        found = [each for each in disputes if each.block.hash.hex().startswith(digits)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UnknownDisputeError(f"{name}: no such dispute; `verifier dispute list` shows all")
    raise UnknownDisputeError(f"{name}: more than one dispute: {', '.join(each.id for each in found)}")


def report_of(ledger: DisputeLedger, dispute: Dispute, directory: Path) -> DisputeReport:
    """What the ledger and the bundle below `directory` have. A bundle that cannot be read is told of, not raised.

    Raises LedgerError.
    """
    path: Path | None = None
    evidence: Evidence | None = None
    trouble = "There is no evidence bundle yet."
    if NAME.fullmatch(dispute.evidence):
        path = directory / dispute.evidence
        evidence, trouble = _evidence(path, dispute)
    going_back = [each for each in ledger.rollbacks() if each.block.hash == dispute.block.hash]
    header, fork = _block(evidence)
    return DisputeReport(
        dispute=dispute,
        quarantines=tuple(each for each in ledger.quarantines() if each.dispute == dispute.id),
        rollback=going_back[0] if going_back else None,
        misbehaviours=_misbehaviours(dispute),
        path=path,
        evidence=evidence,
        trouble=trouble,
        header=header,
        fork=fork,
    )


def report_of_bundle(path: Path) -> DisputeReport:
    """What a bundle alone says. Raises EvidenceError."""
    evidence = read_bundle(path)
    header, fork = _block(evidence)
    dispute = evidence.dispute
    return DisputeReport(
        dispute, misbehaviours=_misbehaviours(dispute), path=path, evidence=evidence, header=header, fork=fork
    )


def _evidence(path: Path, dispute: Dispute) -> tuple[Evidence | None, str]:
    try:
        evidence = read_bundle(path)
    except EvidenceError as error:
        return None, str(error)
    if evidence.dispute.block != dispute.block:
        return None, f"{path}: is the evidence of another block, {evidence.dispute.block}"
    return evidence, ""


def _misbehaviours(dispute: Dispute) -> tuple[Misbehaviour, ...]:
    """The first word of each adapter in each mode, with every other one of it that is not the same."""
    first: dict[tuple[str, str], Statement] = {}
    for each in dispute.statements:
        first.setdefault((each.adapter, each.mode), each)
    pairs = ((first[each.adapter, each.mode], each) for each in dispute.statements)
    return tuple(Misbehaviour(one, other) for one, other in pairs if contradicts(one, other))


def _block(evidence: Evidence | None) -> tuple[Header | None, str]:
    """The header and the fork's name; neither where the witness file is not what it should be: `replay` says why."""
    if evidence is None:
        return None, ""
    try:
        content = map_witness_file(evidence.witness)
        header = check_binding(content)
        fork = parse_chain_config(evidence.request.chain_config or content.chain_config).fork_at(header)
    except WitnessError:
        return None, ""
    return (header, fork) if header.hash == evidence.dispute.block.hash else (None, "")
