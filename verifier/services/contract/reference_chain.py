"""Two blocks whose transactions run a few instructions each, so that every step of them is known beforehand."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from witness.header import keccak256

from .bundled_block import BundledBlock
from .recorded_blocks import record_blocks

if TYPE_CHECKING:  # it brings py-evm with it, which takes a second
    from verifier.executors.stateful.embedded.signing import Wallet

GAS = 1_000_000  # of a transaction, unless it is to run out of it
SCARCE_GAS = 21_000 + 40  # gas; 40 of it for the code
DELEGATED = 2  # the number of the block in which an account has another's code (EIP-7702)
INIT = "ADDRESS 0 SSTORE"  # init code: at its end it stops, and leaves no code
# The contracts. None ends in STOP unless it says so: the code's end stops it (yellow paper, 9.4.4).
PROGRAMS = {
    "plain": "2 3 ADD 1 SSTORE 0 @over JUMPI @over JUMP 9 over: PC",
    "truncated": "1 PUSH2",  # without the two bytes to push: they count as zeros, and there is no step after it
    "callee": "CALLER 2 SSTORE",
    "calling": """
        0 0 0 0 0 callee 50000 CALL
        0 0 0 0 callee 50000 DELEGATECALL
        0 0 0 0 0 callee 50000 CALLCODE
        0 0 0 0 callee 50000 STATICCALL STOP
    """,
    # The precompile IDENTITY, an account without code, more value than there is: nothing runs inside.
    "hollow": """
        0 0 0 0 0 4 50000 CALL
        0 0 0 0 0 nobody 50000 CALL
        0 0 0 0 1 callee 50000 CALL STOP
    """,
    "creating": "init 0 MSTORE length offset 0 CREATE 7 length offset 0 CREATE2 STOP",
    "underflow": "1 ADD",
    "undefined": "1",  # and UNDEFINED
    "invalid": "1",  # and INVALID
    "astray": "1 JUMP",
    "reverting": "1 0 REVERT",
    "thirsty": "1 1 SSTORE",
    "failing": """
        0 0 0 0 0 underflow 3000 CALL
        0 0 0 0 0 undefined 3000 CALL
        0 0 0 0 0 invalid 3000 CALL
        0 0 0 0 0 astray 3000 CALL
        0 0 0 0 0 reverting 3000 CALL
        0 0 0 0 0 thirsty 3000 CALL
    """,
    "endless": "loop: 1 POP @loop JUMP",
}
RAW = {"undefined": b"\x0c", "invalid": b"\xfe"}  # bytes that the assembler has no word for


@dataclass(frozen=True)
class ReferenceChain:
    """The two blocks, and the addresses (20 bytes) of those who take part, by name."""

    blocks: tuple[BundledBlock, ...]
    addresses: dict[str, bytes]


def make_reference_chain(directory: Path) -> ReferenceChain:
    """Makes the blocks and records them into `directory`. Raises VerifierError."""
    from verifier.executors.stateful.embedded.building import BlockPlan
    from verifier.executors.stateful.embedded.sample_chain import BALANCE, CHAIN_ID, GENESIS_TIME, PRAGUE, SLOT
    from verifier.executors.stateful.embedded.signing import Wallet
    from verifier.executors.stateful.genesis import GenesisAccount

    sender, authority = (Wallet(keccak256(f"reference {name}".encode()), CHAIN_ID) for name in ("sender", "authority"))
    addresses = {"sender": sender.address, "authority": authority.address} | {
        name: keccak256(f"reference {name}".encode())[-20:] for name in (*PROGRAMS, "nobody")
    }
    codes = _codes(addresses)
    accounts = {addresses[name]: GenesisAccount(nonce=1, code=code) for name, code in codes.items() if name != "init"}
    accounts[sender.address] = GenesisAccount(balance=BALANCE)
    first = _first_transactions(sender, addresses, codes["init"])
    addresses["created"] = _created_by(sender.address, sender.nonce - 1)
    addresses["child"] = _created_by(addresses["creating"], 1)
    salted = b"\xff" + addresses["creating"] + (7).to_bytes(32, "big") + keccak256(codes["init"])  # EIP-1014
    addresses["salted-child"] = keccak256(salted)[-20:]
    plans = [
        BlockPlan(GENESIS_TIME + SLOT, first),
        BlockPlan(GENESIS_TIME + PRAGUE * SLOT, _second_transactions(sender, authority, addresses)),
    ]
    return ReferenceChain(record_blocks(accounts, plans, directory), addresses)


def _codes(addresses: dict[str, bytes]) -> dict[str, bytes]:
    from verifier.executors.stateful.embedded.assembly import assemble

    init = assemble(INIT)
    values: dict[str, int | bytes] = {**addresses, "init": init, "length": len(init), "offset": 32 - len(init)}
    codes = {name: assemble(program, **values) + RAW.get(name, b"") for name, program in PROGRAMS.items()}
    return {**codes, "init": init}


def _first_transactions(sender: "Wallet", addresses: dict[str, bytes], init: bytes) -> list[bytes]:
    """One a program, a transfer, one that runs out of gas, and a creation, in the order of the listings."""
    from verifier.executors.stateful.embedded.signing import DYNAMIC_FEE, Call

    called = ("plain", "truncated", "calling", "hollow", "creating", "failing")
    calls = [Call(to=addresses[name], gas=GAS) for name in called]
    calls += [
        Call(to=addresses["nobody"], value=1, gas=GAS),
        Call(to=addresses["endless"], gas=SCARCE_GAS),
        Call(data=init, gas=GAS),
    ]
    return [sender.sign(DYNAMIC_FEE, call) for call in calls]


def _second_transactions(sender: "Wallet", authority: "Wallet", addresses: dict[str, bytes]) -> list[bytes]:
    """A call to an account that delegates to the contract "callee"."""
    from verifier.executors.stateful.embedded.signing import SET_CODE, Call

    authorization = authority.authorize(addresses["callee"], 0)
    return [sender.sign(SET_CODE, Call(to=addresses["authority"], gas=GAS, authorizations=(authorization,)))]


def _created_by(creator: bytes, nonce: int) -> bytes:
    import rlp

    return keccak256(rlp.encode([creator, nonce]))[-20:]
