"""Tests that bring their witnesses: `executionWitness` and `statelessInputBytes` of execution-specs' fixtures.

What a guest is given may differ from the block beside it, so where there is a `StatelessInput`, the block is the one in
it, and `statelessOutputBytes` says what is expected. It does not say why a validation fails: the block is invalid where
the fixture names an exception. Else something beside it is wrong: what the verifier itself checks (payload hash, chain
id, senders' keys, which no adapter takes) is a misfit, and what is left is a witness that lacks something.
"""

from dataclasses import dataclass
from typing import Any

from verifier.domain.conformance import CaseName, Expected
from verifier.services.reproduction.transaction import block_transactions, decode_transaction
from witness.chain_config import ChainConfig, encode_chain_config
from witness.errors import EncodingError, WitnessFormatError
from witness.formats.stateless_ssz import StatelessInput, decode_stateless_input
from witness.header import ADDRESS_LENGTH, decode_block_header, decode_header, keccak256
from witness.model import BlockWitness, Witness

from ..case import Case, CaseBlock
from .blockchain_test import BlockchainTest, FixtureBlock
from .broken_rules import classes_besides
from .document import mapping, octets, sequence
from .errors import FixtureError

INPUT, OUTPUT, WITNESS, MUTATED = (
    "statelessInputBytes",
    "statelessOutputBytes",
    "executionWitness",
    "executionWitnessMutated",
)
SUCCESS = 32  # where in the output the verdict stands: after the request's root


@dataclass(frozen=True, slots=True)
class _Chain:
    """What the fixture says of its chain. roots: block hash → state root, of the genesis and of valid blocks."""

    config: ChainConfig
    roots: dict[bytes, bytes]


def brings_witnesses(entries: list[Any]) -> bool:
    """Whether any block of a test brings a witness."""
    return any(isinstance(entry, dict) and (entry.get(INPUT) or entry.get(WITNESS)) for entry in entries)


def stateless_case(test: BlockchainTest, entries: list[Any], name: CaseName) -> Case:
    """The blocks that bring a witness, with it. entries: the fixture's objects of `test.blocks`. Raises FixtureError.

    A mutated witness of which the fixture does not say what follows from it is passed over: it is in another file, as
    a `StatelessInput` with its output.
    """
    chain = _Chain(test.genesis.config, _roots(test))
    blocks = []
    for index, (block, value) in enumerate(zip(test.blocks, entries, strict=True)):
        entry = mapping(value, f"blocks[{index}]")
        try:
            if entry.get(INPUT):
                blocks.append(_guest_block(chain, block, entry))
            elif entry.get(WITNESS) and not entry.get(MUTATED) and not block.misfit:
                blocks.append(_witness_block(chain, block, entry[WITNESS]))
        except FixtureError as error:
            raise FixtureError(f"blocks[{index}]: {error}") from None
    return Case(name, tuple(blocks))


def _roots(test: BlockchainTest) -> dict[bytes, bytes]:
    roots = {}
    header_rlp = test.genesis_rlp()
    roots[keccak256(header_rlp)] = decode_header(header_rlp).state_root
    for block in test.blocks:
        if block.exception is None and not block.misfit:
            try:
                header = decode_block_header(block.encoded)
            except EncodingError:
                continue
            roots[header.hash] = header.state_root
    return roots


def _guest_block(chain: _Chain, block: FixtureBlock, entry: dict[str, Any]) -> CaseBlock:
    succeeds = _success(octets(entry.get(OUTPUT), OUTPUT))
    exception = block.exception or ""
    try:
        given = decode_stateless_input(octets(entry[INPUT], INPUT))
    except WitnessFormatError as error:
        if succeeds:
            raise FixtureError(f"{INPUT}: {error}") from None
        return CaseBlock(b"", Expected.REFUSED, exception, misfit=f"{INPUT}: {error}")
    misfit = _misfit(given, chain.config)
    if succeeds:
        expected, exception = Expected.VALID, ""
    elif block.exception is not None or given.payload.misfit:
        expected = Expected.INVALID
    else:
        expected = Expected.REFUSED
    return CaseBlock(
        encoded=given.payload.block,
        expected=expected,
        exception=exception,
        besides=frozenset() if succeeds else classes_besides(given.payload.block),
        stated_hash=given.payload.stated_hash,
        misfit=misfit,
        witness=_content(chain.config, given.payload.block, given.witness),
        pre_state_root=chain.roots.get(given.payload.header.parent_hash, b""),
    )


def _success(output: bytes) -> bool:
    if len(output) <= SUCCESS or output[SUCCESS] > 1:
        raise FixtureError(f"{OUTPUT}: {len(output)} bytes that are no validation result")
    return bool(output[SUCCESS])


def _misfit(given: StatelessInput, config: ChainConfig) -> str:
    if given.payload.misfit:
        return given.payload.misfit
    if given.chain_id != config.chain_id:
        return f"it is of chain {given.chain_id}, the test of chain {config.chain_id}"
    try:
        transactions = block_transactions(given.payload.block)
    except EncodingError:
        return ""  # for the clients to say
    if len(given.public_keys) != len(transactions):
        return f"{len(given.public_keys)} public keys for {len(transactions)} transactions"
    for index, (key, transaction) in enumerate(zip(given.public_keys, transactions, strict=True)):
        try:
            sender = decode_transaction(transaction).sender
        except EncodingError:
            continue  # for the clients to say
        if keccak256(key[1:])[-ADDRESS_LENGTH:] != sender:
            return f"public_keys[{index}] is not the key of the transaction's sender"
    return ""


def _witness_block(chain: _Chain, block: FixtureBlock, value: Any) -> CaseBlock:
    members = mapping(value, WITNESS)
    lists = {name: sequence(members.get(name), f"{WITNESS}.{name}") for name in ("state", "codes", "headers")}
    held = Witness(**{name: [octets(each, f"{WITNESS}.{name}") for each in lists[name]] for name in lists})
    try:
        header = decode_block_header(block.encoded)
        content = _content(chain.config, block.encoded, held)
    except EncodingError as error:
        raise FixtureError(f"rlp: {error}") from None
    return CaseBlock(
        encoded=block.encoded,
        expected=Expected.VALID if block.exception is None else Expected.INVALID,
        exception=block.exception or "",
        besides=frozenset() if block.exception is None else classes_besides(block.encoded),
        stated_hash=block.stated_hash,
        witness=content,
        pre_state_root=chain.roots.get(header.parent_hash, b""),
    )


def _content(config: ChainConfig, block: bytes, held: Witness) -> BlockWitness:
    """As it is given: only sorted, never repaired."""
    header = decode_block_header(block)
    return BlockWitness(
        chain_id=config.chain_id,
        number=header.number,
        hash=header.hash,
        block=block,
        witness=held,
        chain_config=encode_chain_config(config.document),
    )
