"""A dispute as it happens: two adapters compute the header's values, one another state root, one falls silent."""

from dataclasses import replace
from pathlib import Path

from tests.verifier.services.builders import block_witness, computed_for, header_rlp
from verifier.domain.block import BlockReference
from verifier.domain.dispute import Conclusion, Dispute
from verifier.domain.divergence import Divergence, Group
from verifier.domain.instruction import Instruction, Touched
from verifier.domain.localization import FieldDifference, Localization, Place, Side, StateDifference
from verifier.domain.result import Abstention, AbstentionReason, Missing, Mode, Receipt, Result
from verifier.domain.statement import outcome_digest, state
from verifier.domain.trace import Step
from verifier.domain.vote import VoteKind, cast_vote
from verifier.executors.stateless.base import ExecutionRequest
from verifier.services.evidence import ClientVersion, Evidence, Versions
from witness.file import write_witness_file
from witness.header import decode_header

AT = 1_764_000_000.25  # seconds since the epoch
CONFIGURATION = '[quorum]\nrequired = 2\n[execution]\nlineage = "geth"\n'
ACCOUNT = b"\xaa" * 20


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def sload(value: int, **fields: int) -> Step:
    """The step behind an SLOAD that read `value`."""
    return Step(1, ACCOUNT, fields.get("pc", 7), 0x55, 41_000, word(1) + word(value), 20_000, 64, "")


def evidence(directory: Path, **fields: object) -> Evidence:
    """The evidence; its witness file is written into `directory`. fields: those of Evidence to be another."""
    content, encoded = block_witness(1, header_rlp(0, bytes(32)))
    header = decode_header(encoded)
    witness = write_witness_file(content, directory, sync=False)
    block = BlockReference(content.chain_id, header.number, header.hash)
    right = replace(computed_for(header), receipts=(Receipt(21_000, b"\x33" * 32, succeeded=True),))
    wrong = replace(right, state_root=b"\x66" * 32)
    silent = Abstention(
        AbstentionReason.WITNESS_INSUFFICIENT, "a node", (Missing("node", b"\x44" * 32, where="account 0xaa"),)
    )
    results = (
        Result("revm", "revm", right, 4.5, 3.25),
        Result("geth", "geth", right, 11.0),
        Result("ethrex", "ethrex", wrong, 5.125),
        Result("eels", "eels", silent, 300.0, None, missing_unnoticed=True),
    )
    said = [state(block, Mode.PROOF, each, cast_vote(header, each), AT) for each in results]
    dispute = Dispute(
        id=f"1-{header.hash.hex()[:8]}",
        block=block,
        opened_at=AT,
        deadline=AT + 60,
        why="2 VALID, 1 INVALID",
        statements=tuple(each for each in said if each is not None),
        silent=frozenset({"eels"}),
        conclusion=Conclusion.VALID,
        concluded_at=AT + 2,
        reason="2 of 2 lineages VALID",
    )
    localization = Localization(
        block=block,
        place=Place.STEP,
        sides=(
            Side(("geth", "revm"), ("geth", "revm"), VoteKind.VALID, outcome_digest(right)),
            Side(("ethrex",), ("ethrex",), VoteKind.INVALID, outcome_digest(wrong)),
        ),
        fields=(FieldDifference("state_root", ("0x" + "05" * 32, "0x" + "66" * 32)),),
        text="state_root: transaction 0, step 1: SSTORE has another value on the stack",
        transaction=0,
        transaction_hash=b"\x77" * 32,
        divergence=Divergence(
            transaction=0,
            step=1,
            groups=(Group(("geth", "revm"), sload(5)), Group(("ethrex",), sload(6))),
            fields=("stack",),
            before=(Step(1, ACCOUNT, 6, 0x54, 43_100, word(1), 2_100, 64, ""),),
        ),
        state=(StateDifference(ACCOUNT, f"slot 0x{word(1).hex()}", ("0x5", "0x6")),),
        instruction=Instruction("SLOAD", 0x54, 6, 1, ACCOUNT, 0, Touched(ACCOUNT, "slot", word(1))),
        seconds=0.75,
        notes=("eels gave no trace",),
    )
    values: dict[str, object] = {
        "dispute": dispute,
        "request": ExecutionRequest(witness, header.hash, b"\x05" * 32, 9.0, ancestor_hashes={0: header.parent_hash}),
        "results": results,
        "versions": Versions("0.1.0", (ClientVersion("geth", "geth", "go-ethereum", "1.17.10", "1"),)),
        "configuration": CONFIGURATION,
        "localization": localization,
        **fields,
    }
    return Evidence(**values)  # type: ignore[arg-type]
