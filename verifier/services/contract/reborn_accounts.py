"""A block in which contracts are destroyed and come to be again, with and without the slots that they had before."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from witness.header import keccak256
from witness.model import PostAccount

from .bundled_block import BundledBlock
from .recorded_blocks import record_blocks

GAS = 300_000  # of a transaction
MORTAL = "CALLER SELFDESTRUCT"
# Deploys MORTAL, which is at the end of the word that is put into memory.
DEPLOYING = "mortal 0 MSTORE length offset RETURN"
WRITING = "22 2 SSTORE 7 9 SSTORE "  # slots 2 and 9; the value comes first
FACTORY = "init 0 MSTORE 0 length offset 0 CREATE2 STOP"
SLOTS = {1: 11, 2: 22}  # of both contracts, before the block


@dataclass(frozen=True)
class RebornAccounts:
    """A Shanghai block that destroys the contracts `writing` and `silent` (addresses) and makes them again.

    Both had SLOTS. `writing` sets slot 2 to what it was and slot 9 to 7, `silent` sets none; nonce, balance and code
    are after the block what they were before.
    """

    block: BundledBlock
    writing: bytes
    silent: bytes
    code_hash: bytes

    def after(self, listed: Mapping[int, int]) -> dict[bytes, PostAccount]:
        """What of the two is changed, by the contract, where the section lists these slots of both."""
        written = {2: 22, 9: 7}
        changed = {}
        for address, values in ((self.writing, written), (self.silent, {})):
            keys = listed.keys() | values.keys()
            slots = {key: values.get(key, 0) for key in keys if values.get(key, 0) != listed.get(key, 0)}
            if slots:
                by_key = {key.to_bytes(32, "big"): value for key, value in slots.items()}
                changed[address] = PostAccount(1, 0, self.code_hash, by_key)
        return changed


def make_reborn_accounts(directory: Path) -> RebornAccounts:
    """Makes the block and records it into `directory`. Raises VerifierError."""
    from verifier.executors.stateful.embedded.assembly import assemble
    from verifier.executors.stateful.embedded.building import BlockPlan
    from verifier.executors.stateful.embedded.sample_chain import BALANCE, CHAIN_ID, GENESIS_TIME, SLOT
    from verifier.executors.stateful.embedded.signing import DYNAMIC_FEE, Call, Wallet
    from verifier.executors.stateful.genesis import GenesisAccount

    sender = Wallet(keccak256(b"reborn sender"), CHAIN_ID)
    mortal = assemble(MORTAL)
    accounts = {sender.address: GenesisAccount(balance=BALANCE)}
    calls, contracts = [], []
    for name, program in (("writing", WRITING + DEPLOYING), ("silent", DEPLOYING)):
        init = assemble(program, mortal=mortal, length=len(mortal), offset=32 - len(mortal))
        factory = keccak256(f"reborn {name} factory".encode())[-20:]
        code = assemble(FACTORY, init=init, length=len(init), offset=32 - len(init))
        contract = keccak256(b"\xff" + factory + bytes(32) + keccak256(init))[-20:]  # EIP-1014, salt 0
        accounts[factory] = GenesisAccount(nonce=1, code=code)
        accounts[contract] = GenesisAccount(nonce=1, code=mortal, storage=SLOTS)
        contracts.append(contract)
        calls += [Call(to=contract, gas=GAS), Call(to=factory, gas=GAS)]
    transactions = [sender.sign(DYNAMIC_FEE, call) for call in calls]
    (block,) = record_blocks(accounts, [BlockPlan(GENESIS_TIME + SLOT, transactions)], directory)
    writing, silent = contracts
    return RebornAccounts(block, writing, silent, keccak256(mortal))
