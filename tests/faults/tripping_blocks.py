"""Blocks that trip the bugs of the catalogue, one after the other on a chain of their own with Prague's rules.

The embedded executor makes and records them, and accepts them all: each is valid.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from verifier.executors.stateful.embedded.assembly import assemble
from verifier.executors.stateful.embedded.building import BlockPlan, ChainBuilder, address_of
from verifier.executors.stateful.embedded.sample_chain import BALANCE, CHAIN_ID, GENESIS_TIME, SLOT, sample_genesis
from verifier.executors.stateful.embedded.sample_contracts import ADDRESSES, deposit_event, words
from verifier.executors.stateful.embedded.signing import DYNAMIC_FEE, Call, Wallet
from verifier.executors.stateful.genesis import Genesis, GenesisAccount
from witness.chain_config import ChainConfig
from witness.header import keccak256
from witness.store import WitnessStore

WINDOW = 256  # blocks that BLOCKHASH reaches back
OSAKA_TIME = GENESIS_TIME + 2 * WINDOW * SLOT  # after the last block
ABOVE_OSAKA_BOUND = 17_000_000  # gas; a transaction of Osaka may have 2**24 (EIP-7825)
PATTERN = bytes(range(1, 33))
ONCE_CLEARED, TO_CLEAR = 0x1008, (0x1000, 0x1001, 0x1002)  # slots that the genesis state has
# Init code: without value it writes a slot and destroys itself, with value it writes another one and stays.
REBORN = assemble("CALLVALUE @stay JUMPI 1 1 SSTORE CALLER SELFDESTRUCT stay: 2 2 SSTORE STOP")
MAYFLY = assemble("CALLER SELFDESTRUCT")  # init code
TOO_LONG = assemble("0x6000 0 RETURN")  # init code that returns 24576 bytes, the most: 4.9 million gas

_RETURN_AFTERWARDS = "32 0 64 RETURNDATACOPY 64 MLOAD 0 SSTORE STOP"
PROGRAMS = {
    # IDENTITY with input 0 to 32 and output 16 to 48; then what it returned goes into slot 0.
    "overlapping": f"pattern 0 MSTORE 32 16 32 0 0 4 GAS CALL POP {_RETURN_AFTERWARDS}",
    # IDENTITY without output; its input is overwritten before what it returned is looked at.
    "overwriting": f"pattern 0 MSTORE 0 0 32 0 0 4 GAS CALL POP 7 0 MSTORE {_RETURN_AFTERWARDS}",
    # Makes a contract that destroys itself at once, and sends it 5 wei before the transaction ends.
    "paying": "mayfly 0 MSTORE 0 length offset 0 CREATE2 0 0 0 0 5 DUP6 GAS CALL STOP",
    "calling": "0 0 0 0 0 0x100 GAS CALL STOP",
    "reverting": "largest 0 MSTORE 64 0 REVERT",
    "making": "CALLDATASIZE 0 0 CALLDATACOPY 0 CALLDATASIZE 0 CALLVALUE CREATE2 STOP",
    # ECADD of (1, 1), which is not on the curve, and the point at infinity: success into slot 0, the sum's x into 1.
    "adding": "1 0 MSTORE 1 32 MSTORE 64 128 128 0 0 6 10000 CALL 0 SSTORE 128 MLOAD 1 SSTORE STOP",
    "creating": "init 0 MSTORE length offset 0 CREATE 0 SSTORE STOP",
    "looking back": "window NUMBER SUB BLOCKHASH 0 SSTORE STOP",
}
_VALUES: dict[str, dict[str, int | bytes]] = {
    "overlapping": {"pattern": PATTERN},
    "overwriting": {"pattern": PATTERN},
    "paying": {"mayfly": MAYFLY, "length": len(MAYFLY), "offset": 32 - len(MAYFLY)},
    "reverting": {"largest": b"\xff" * 32},
    "creating": {"init": TOO_LONG, "length": len(TOO_LONG), "offset": 32 - len(TOO_LONG)},
    "looking back": {"window": WINDOW},
}
CONTRACTS = {name: address_of(f"fault {name}") for name in PROGRAMS}


def create2_address(creator: bytes, init: bytes) -> bytes:
    """Of what a contract makes by CREATE2 with salt 0 (EIP-1014)."""
    return keccak256(b"\xff" + creator + bytes(32) + keccak256(init))[-20:]


DESTROYED = create2_address(CONTRACTS["paying"], MAYFLY)
MADE_AGAIN = create2_address(CONTRACTS["making"], REBORN)
WRITER = ADDRESSES["writer"]


@dataclass
class Author:
    """Signs the transactions of the chain, in the order in which they are to be in it."""

    wallet: Wallet

    def call(self, name: str, data: bytes = b"", value: int = 0, gas: int = 1_000_000) -> bytes:
        """A call of one of the contracts here or of the sample chain."""
        return self.send(CONTRACTS.get(name) or ADDRESSES[name], data, value, gas)

    def send(self, to: bytes, data: bytes = b"", value: int = 0, gas: int = 100_000) -> bytes:
        """Any transaction."""
        return self.wallet.sign(DYNAMIC_FEE, Call(to=to, data=data, value=value, gas=gas))

    def pay(self) -> bytes:
        """A transfer in which nobody can be wrong."""
        return self.send(address_of("payee"), value=1)


Transactions = Callable[[Author], Sequence[bytes]]


def overlapping_identity(author: Author) -> Sequence[bytes]:
    """The output of IDENTITY overlaps its input."""
    return author.pay(), author.call("overlapping")


def overwritten_identity(author: Author) -> Sequence[bytes]:
    """The input of IDENTITY is overwritten before its return data is read."""
    return author.pay(), author.call("overwriting")


def destroyed_recipient(author: Author) -> Sequence[bytes]:
    """A transfer to an account that the transaction before destroyed while it had a balance."""
    return author.call("paying", value=5), author.send(DESTROYED, value=1)


def inactive_precompile(author: Author) -> Sequence[bytes]:
    """A call to the address of a precompile that comes with a later fork."""
    return author.pay(), author.call("calling")


def strange_revert(author: Author) -> Sequence[bytes]:
    """A transaction reverts with data that looks like a reason whose offset is beyond every memory."""
    return author.pay(), author.call("reverting")


def reborn_contract(author: Author) -> Sequence[bytes]:
    """A contract is made and destroyed in one transaction and made again in the next, with another slot."""
    return author.call("making", REBORN), author.call("making", REBORN, value=1)


def cleared_slots(author: Author) -> Sequence[bytes]:
    """Three slots of the genesis state are cleared."""
    return (author.call("writer", words(*(item for slot in TO_CLEAR for item in (slot, 0)))),)


def large_gas_limit(author: Author) -> Sequence[bytes]:
    """A transaction has a gas limit that the next fork forbids."""
    return author.pay(), author.send(address_of("payee"), value=1, gas=ABOVE_OSAKA_BOUND)


def deposit(author: Author) -> Sequence[bytes]:
    """A deposit, by the contract that the chain config names."""
    return author.pay(), author.call("deposits", deposit_event(1))


def point_off_curve(author: Author) -> Sequence[bytes]:
    """ECADD is given a point that is not on the curve."""
    return author.pay(), author.call("adding")


def refilled_slot(author: Author) -> Sequence[bytes]:
    """A slot is cleared by one transaction and filled by the next but one."""
    return (
        author.call("writer", words(ONCE_CLEARED, 0)),
        author.pay(),
        author.call("writer", words(ONCE_CLEARED, 9)),
    )


def unpaid_code(author: Author) -> Sequence[bytes]:
    """A creation whose code costs more gas than there is."""
    return author.pay(), author.call("creating")


def oldest_ancestor(author: Author) -> Sequence[bytes]:
    """BLOCKHASH of the oldest block that it reaches."""
    return author.pay(), author.call("looking back")


BLOCKS: dict[str, Transactions] = {
    each.__name__: each
    for each in (
        overlapping_identity,
        overwritten_identity,
        destroyed_recipient,
        inactive_precompile,
        strange_revert,
        reborn_contract,
        cleared_slots,
        large_gas_limit,
        deposit,
        point_off_curve,
        refilled_slot,
        unpaid_code,
    )
}
LAST = oldest_ancestor.__name__


def make_blocks(directory: Path) -> dict[str, Path]:
    """Name → the witness file of the block; the last one stands behind as many blocks as it looks back."""
    wallet = Wallet(keccak256(b"fault sender"), CHAIN_ID)
    author = Author(wallet)
    filling = {f"filling {number}": _nothing for number in range(len(BLOCKS) + 1, WINDOW)}
    paths: dict[str, Path] = {}
    with (
        WitnessStore(directory / "witnesses", sync=False) as store,
        ChainBuilder(directory / "state", _genesis(wallet), store) as chain,
    ):
        plans = {**BLOCKS, **filling, LAST: oldest_ancestor}
        for number, (name, transactions) in enumerate(plans.items(), start=1):
            _, outcome = chain.add(BlockPlan(GENESIS_TIME + number * SLOT, tuple(transactions(author))))
            assert outcome.invalid is None, (name, outcome.invalid)
            assert outcome.path is not None
            paths[name] = outcome.path
    return paths


def _nothing(_: Author) -> Sequence[bytes]:
    return ()


def _genesis(wallet: Wallet) -> Genesis:
    """The sample chain's, with Prague's rules from its first block and the contracts of this module."""
    own = sample_genesis()
    document = {**own.config.document, "cancunTime": 0, "pragueTime": 0, "osakaTime": OSAKA_TIME}
    del document["bpo1Time"]
    # What Cancun and Prague add: no blob gas, no beacon block before it, no requests.
    fields = (*own.header_fields, b"", b"", bytes(32), sha256().digest())
    contracts = {
        CONTRACTS[name]: GenesisAccount(nonce=1, code=assemble(program, **_VALUES.get(name, {})))
        for name, program in PROGRAMS.items()
    }
    accounts = {**own.accounts, wallet.address: GenesisAccount(balance=BALANCE), **contracts}
    return replace(own, config=ChainConfig(own.config.chain_id, document), header_fields=fields, accounts=accounts)
