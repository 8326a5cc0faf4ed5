"""The witness that came with the execution client's answer, as what is published of a block."""

from dataclasses import replace

from witness.formats.assembly import Parts, assemble
from witness.formats.engine_payload import EnginePayload
from witness.formats.geth_rlp import decode_witness_rlp
from witness.formats.json_field import as_octets, canonical_json
from witness.model import BlockWitness


def block_witness(payload: EnginePayload, witness: object, chain_config: bytes, client: str) -> BlockWitness:
    """The block with the witness of engine_newPayloadWithWitness.

    witness: the answer's field, geth's RLP in hexadecimal. chain_config: geth-genesis config JSON. client: what the
    execution client says it is, "name/version". Raises WitnessError.
    """
    found = decode_witness_rlp(as_octets(witness, "witness"))
    parts = Parts(
        format="engine_newPayloadWithWitness",
        block=payload.block,
        state=found.state,
        codes=found.codes,
        headers=found.headers,
    )
    name, _, version = client.partition("/")
    source = f"engine_newPayloadWithWitnessV{payload.version}"
    producer = {"name": name or "execution client", "version": version or "unknown", "source": source}
    return replace(assemble(parts, chain_config), producer=canonical_json(producer))
