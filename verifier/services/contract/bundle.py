"""The blocks that every adapter is asked about: the bundled chain, recorded when the kit starts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import rlp

from verifier.errors import InputError
from verifier.services.recording import RecordOptions, Status, record
from witness.file import write_witness_file
from witness.header import keccak256
from witness.rlp_encoding import encode_integer
from witness.trie import list_root

from .bundled_block import BundledBlock, bundled
from .reborn_accounts import RebornAccounts, make_reborn_accounts
from .reference_chain import ReferenceChain, make_reference_chain
from .tampering import POSITION, decoded, encoded_transactions, rebuilt

GENESIS_NAME, CHAIN_NAME = "genesis.json", "chain.rlp"

# Numbers of the bundled chain's blocks, by what is in them (verifier/executors/stateful/embedded/sample_chain.py).
TAMPERED = (23, 15, 7)  # one a fork, with withdrawals; Prague's has deposits and both kinds of requests too
# 1: a creation, 64 new slots, BLOCKHASH. 3: an account goes with its storage, slots cleared, withdrawals. 6: branches
# collapse, BLOCKHASH. 11: CREATE, CREATE2, EIP-6780. 12: BLOCKHASH of 12 blocks. 19, 20: system contracts with
# requests. 23: deposits, withdrawals. 24: EIP-7702. 26: BLOCKHASH after EIP-2935.
DROPPED = (23, 24, 19, 6, 12, 11, 3, 1, 20, 26)
BLOCK_HASH = (12, 26, 6)  # blocks whose transactions use BLOCKHASH far back
# The block that runs without end is made out of this one. Its last transaction creates a contract: the way to that
# address is in the witness, and what is done there instead is for the init code to say.
ENDLESS = 1
ENDLESS_GAS = 10**12  # gas; a quarter of an hour for the fastest client, at 10**9 gas a second
ENDLESS_PRICE = 10 * 10**9  # wei a gas; the sender has 10**24 wei
# Computes for 130,000 gas (less than a millisecond, 30 ms in Python), then asks the contract "ancestors", which has no
# storage in this block, for slots that nobody asked for yet: a client that can only be stopped where it reads the state
# is stopped there. That call's gas is enough for two slots, and what it did is undone.
ENDLESS_CODE = """
    1000 outer: DUP1 0 MSTORE
    0 0 32 0 0 ancestors 6000 CALL POP 10 ADD
    5000 inner: 1 SWAP1 SUB DUP1 @inner JUMPI
    POP @outer JUMP
"""


@dataclass(frozen=True)
class Bundle:
    """The recorded blocks in ascending order. endless: a block that takes a client longer than any deadline here.

    reference: a chain of its own, of which every step is known. reborn: a block of its own, whose changes are known.
    """

    blocks: tuple[BundledBlock, ...]
    endless: BundledBlock
    reference: ReferenceChain
    reborn: RebornAccounts

    def of_forks(self, forks: Iterable[str]) -> tuple[BundledBlock, ...]:
        """The blocks of these forks."""
        wanted = set(forks)
        return tuple(block for block in self.blocks if block.fork in wanted)

    def ancestors_of(self, block: BundledBlock) -> dict[int, bytes]:
        """Block number → hash of all that come before the block, the genesis included."""
        hashes = {each.number - 1: each.header.parent_hash for each in self.blocks}
        return {number: hash_ for number, hash_ in hashes.items() if number < block.number}


def record_bundle(chain: Path, directory: Path) -> Bundle:
    """Records the chain in `chain` (genesis.json, chain.rlp) into `directory`. Takes seconds. Raises VerifierError."""
    options = RecordOptions(directory, chain / GENESIS_NAME, sync=False)
    blocks = []
    for event in record(chain / CHAIN_NAME, options):
        if event.status is not Status.RECORDED or event.path is None:
            raise InputError(f"{chain}: block at position {event.position}: {event.status}: {event.reason}")
        blocks.append(bundled(event.path))
    endless, reference = _endless(blocks, directory), make_reference_chain(directory)
    return Bundle(tuple(blocks), endless, reference, make_reborn_accounts(directory))


def _endless(blocks: list[BundledBlock], directory: Path) -> BundledBlock:
    """A block whose last transaction runs for ENDLESS_GAS gas, on a parent whose gas limit allows it.

    Nobody executes it beforehand: its header's roots are not what would come of it, and nobody waits for a result.
    """
    # py-evm and its keys: loaded with the embedded executor, which recorded the blocks.
    from verifier.executors.stateful.embedded.assembly import assemble
    from verifier.executors.stateful.embedded.sample_chain import CHAIN_ID
    from verifier.executors.stateful.embedded.sample_contracts import ADDRESSES
    from verifier.executors.stateful.embedded.signing import LEGACY, Call, Wallet

    origin = next((block for block in blocks if block.number == ENDLESS), None)
    if origin is None:
        raise InputError(f"the bundled chain has no block {ENDLESS}")
    block = decoded(origin.content)
    code = assemble(ENDLESS_CODE, ancestors=ADDRESSES["ancestors"])
    # The same sender and nonce: the address of what is created comes from them.
    wallet = Wallet(keccak256(b"sample chain second"), CHAIN_ID, int.from_bytes(block[1][-1][0], "big"))
    creation = wallet.sign(LEGACY, Call(data=code, gas=ENDLESS_GAS, price=ENDLESS_PRICE))
    block[1][-1] = rlp.decode(creation)
    parent = list(rlp.decode(bytes(origin.content.witness.headers[-1])))
    parent[POSITION["gas_limit"]] = block[0][POSITION["gas_limit"]] = encode_integer(2 * ENDLESS_GAS)
    # Half of its limit: the base fee stays as it is (EIP-1559).
    parent[POSITION["gas_used"]] = encode_integer(ENDLESS_GAS)
    block[0][POSITION["base_fee"]] = parent[POSITION["base_fee"]]
    block[0][POSITION["parent_hash"]] = keccak256(rlp.encode(parent))
    block[0][POSITION["transactions_root"]] = list_root(encoded_transactions(block))
    content = rebuilt(origin.content, block)
    content = replace(content, witness=replace(content.witness, headers=[rlp.encode(parent)]))
    return bundled(write_witness_file(content, directory, sync=False))
