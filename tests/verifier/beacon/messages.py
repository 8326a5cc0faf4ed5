"""Messages of validators in both encodings, as beacon-APIs and consensus-specs have them."""

from typing import Any

ZERO_SIGNATURE = bytes(96)


def root(number: int) -> bytes:
    return bytes([number]) * 32


def hexadecimal(value: bytes) -> str:
    return "0x" + value.hex()


def data_json(head: bytes, target: bytes, index: int = 0, slot: int = 65) -> dict[str, Any]:
    return {
        "slot": str(slot),
        "index": str(index),
        "beacon_block_root": hexadecimal(head),
        "source": {"epoch": "1", "root": hexadecimal(root(250))},
        "target": {"epoch": "2", "root": hexadecimal(target)},
    }


def data_ssz(head: bytes, target: bytes, index: int = 0, slot: int = 65) -> bytes:
    source = (1).to_bytes(8, "little") + root(250)
    return b"".join(
        (slot.to_bytes(8, "little"), index.to_bytes(8, "little"), head, source, (2).to_bytes(8, "little"), target)
    )


def attestation_json(head: bytes, target: bytes, **data: int) -> dict[str, Any]:
    return {
        "aggregation_bits": "0x0101",
        "data": data_json(head, target, **data),
        "signature": hexadecimal(ZERO_SIGNATURE),
        "committee_bits": "0x0100000000000000",
    }


def single_json(head: bytes, target: bytes, **data: int) -> dict[str, Any]:
    return {
        "committee_index": "3",
        "attester_index": "17",
        "data": data_json(head, target, **data),
        "signature": hexadecimal(ZERO_SIGNATURE),
    }


def aggregate_and_proof_json(head: bytes, target: bytes) -> dict[str, Any]:
    return {
        "message": {
            "aggregator_index": "1",
            "aggregate": attestation_json(head, target),
            "selection_proof": hexadecimal(ZERO_SIGNATURE),
        },
        "signature": hexadecimal(ZERO_SIGNATURE),
    }


def sync_message_json(head: bytes) -> dict[str, Any]:
    return {
        "slot": "65",
        "beacon_block_root": hexadecimal(head),
        "validator_index": "4",
        "signature": hexadecimal(ZERO_SIGNATURE),
    }


def contribution_json(head: bytes) -> dict[str, Any]:
    return {
        "slot": "65",
        "beacon_block_root": hexadecimal(head),
        "subcommittee_index": "1",
        "aggregation_bits": "0x" + "01" * 16,
        "signature": hexadecimal(ZERO_SIGNATURE),
    }


def contribution_and_proof_json(head: bytes) -> dict[str, Any]:
    return {
        "message": {
            "aggregator_index": "1",
            "contribution": contribution_json(head),
            "selection_proof": hexadecimal(ZERO_SIGNATURE),
        },
        "signature": hexadecimal(ZERO_SIGNATURE),
    }


def attestation_ssz(data: bytes, fork: str, bits: bytes = b"\x01\x01") -> bytes:
    committees = b"" if fork in ("phase0", "altair", "bellatrix", "capella", "deneb") else b"\x01" + bytes(7)
    fixed = 4 + 128 + 96 + len(committees)
    return fixed.to_bytes(4, "little") + data + ZERO_SIGNATURE + committees + bits


def single_ssz(data: bytes) -> bytes:
    return (3).to_bytes(8, "little") + (17).to_bytes(8, "little") + data + ZERO_SIGNATURE


def aggregate_and_proof_ssz(data: bytes, fork: str, bits: bytes = b"\x01\x01") -> bytes:
    aggregate = attestation_ssz(data, fork, bits)
    message = (1).to_bytes(8, "little") + (108).to_bytes(4, "little") + ZERO_SIGNATURE + aggregate
    return (100).to_bytes(4, "little") + ZERO_SIGNATURE + message


def sync_message_ssz(head: bytes) -> bytes:
    return (65).to_bytes(8, "little") + head + (4).to_bytes(8, "little") + ZERO_SIGNATURE


def contribution_ssz(head: bytes, bits: int = 16) -> bytes:
    return (65).to_bytes(8, "little") + head + (1).to_bytes(8, "little") + bytes(bits) + ZERO_SIGNATURE


def contribution_and_proof_ssz(head: bytes, bits: int = 16) -> bytes:
    return (1).to_bytes(8, "little") + contribution_ssz(head, bits) + ZERO_SIGNATURE + ZERO_SIGNATURE


def payload_data_ssz(head: bytes, present: int) -> bytes:
    return head + (65).to_bytes(8, "little") + bytes([present, 1])


def payload_message_ssz(head: bytes, present: int) -> bytes:
    return (4).to_bytes(8, "little") + payload_data_ssz(head, present) + ZERO_SIGNATURE


def list_ssz(parts: list[bytes]) -> bytes:
    at, table = 4 * len(parts), b""
    for part in parts:
        table += at.to_bytes(4, "little")
        at += len(part)
    return table + b"".join(parts)
