"""Asking a client in this process, as a worker does, and reading its answer, as the verifier does."""

from tests.adapters.real_block import trusted_root
from verifier.rpc.host.client import Client
from verifier.rpc.host.worker import execute
from verifier.rpc.v1 import executor_pb2 as pb
from witness.file import encode_witness_file
from witness.header import decode_block_header
from witness.model import BlockWitness


def ask(
    client: Client,
    forks: tuple[str, ...],
    content: BlockWitness,
    root: bytes | None = None,
    *,
    optional: bool = False,
    mode: pb.Mode = pb.MODE_PROOF,
) -> pb.ExecuteResponse:
    """One request, as a worker does it."""
    request = pb.ExecuteRequest(
        content=encode_witness_file(content),
        block_hash=content.hash,
        pre_state_root=root if root is not None else trusted_root(content),
        mode=mode,
        parent_header_optional=optional,
    )
    return execute(client, request, frozenset(forks))


def differences(response: pb.ExecuteResponse, content: BlockWitness) -> list[str]:
    """The fields in which what was computed differs from the header."""
    computed, header = response.computed, decode_block_header(content.block)
    values = {
        "state_root": computed.state_root,
        "receipts_root": computed.receipts_root,
        "logs_bloom": computed.logs_bloom,
        "gas_used": computed.gas_used,
        "transactions_root": computed.transactions_root,
        "blob_gas_used": computed.blob_gas_used if computed.HasField("blob_gas_used") else None,
        "withdrawals_root": computed.withdrawals_root if computed.HasField("withdrawals_root") else None,
        "requests_hash": computed.requests_hash if computed.HasField("requests_hash") else None,
    }
    return [name for name, value in values.items() if value != getattr(header, name)]


def vote(response: pb.ExecuteResponse, content: BlockWitness) -> str:
    """VALID, INVALID or ABSTAIN, as the verifier reads it."""
    match response.WhichOneof("outcome"):
        case "computed":
            return "INVALID" if differences(response, content) else "VALID"
        case "broken_rule":
            return "INVALID"
    return "ABSTAIN"


def abstention(response: pb.ExecuteResponse) -> str:
    """The reason of an abstention, in lower case."""
    assert response.WhichOneof("outcome") == "abstention", response
    return pb.AbstentionReason.Name(response.abstention.reason).removeprefix("ABSTENTION_REASON_").lower()


def insufficient(response: pb.ExecuteResponse) -> list[pb.Missing]:
    """What an answer names as missing; fails if it is another answer."""
    assert abstention(response) == "witness_insufficient", response
    assert response.abstention.missing
    return list(response.abstention.missing)
