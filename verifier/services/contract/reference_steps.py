"""The steps of the reference chain's transactions: as py-evm ran them, their gas at every call checked by hand.

The other five clients stream the same. A line that starts with @ is where a frame starts, or goes on after a call:
depth, account, gas left. Any other is a step: pc, instruction, what it costs (`-` where it is the last before another
frame, or fails), and the stack, bottom first. Gas within a frame is what was left before the instruction above, less
its cost, so that only costs of the yellow paper (appendix G) and of EIP-2929, EIP-2200 and EIP-3860 stand here.
"""

from dataclasses import dataclass

from .instructions import CODES

OTHER = {"UNDEFINED": 0x0C, "INVALID": 0xFE}

PLAIN = """
    @ 1 plain 979000
    0 PUSH1 3
    2 PUSH1 3 2
    4 ADD 3 2 3
    5 PUSH1 3 5
    7 SSTORE 22100 5 1
    8 PUSH1 3
    10 PUSH2 3 0
    13 JUMPI 10 0 20
    14 PUSH2 3
    17 JUMP 8 20
    20 JUMPDEST 1
    21 PC -
"""
TRUNCATED = """
    @ 1 truncated 979000
    0 PUSH1 3
    2 PUSH2 - 1
"""
CALLING = """
    @ 1 calling 979000
    0 PUSH1 3
    2 PUSH1 3 0
    4 PUSH1 3 0 0
    6 PUSH1 3 0 0 0
    8 PUSH1 3 0 0 0 0
    10 PUSH20 3 0 0 0 0 0
    31 PUSH2 3 0 0 0 0 0 callee
    34 CALL - 0 0 0 0 0 callee 50000
    @ 2 callee 50000
    0 CALLER 2
    1 PUSH1 3 calling
    3 SSTORE - calling 2
    @ 1 calling 954274
    35 PUSH1 3 1
    37 PUSH1 3 1 0
    39 PUSH1 3 1 0 0
    41 PUSH1 3 1 0 0 0
    43 PUSH20 3 1 0 0 0 0
    64 PUSH2 3 1 0 0 0 0 callee
    67 DELEGATECALL - 1 0 0 0 0 callee 50000
    @ 2 calling 50000
    0 CALLER 2
    1 PUSH1 3 sender
    3 SSTORE - sender 2
    @ 1 calling 932051
    68 PUSH1 3 1 1
    70 PUSH1 3 1 1 0
    72 PUSH1 3 1 1 0 0
    74 PUSH1 3 1 1 0 0 0
    76 PUSH1 3 1 1 0 0 0 0
    78 PUSH20 3 1 1 0 0 0 0 0
    99 PUSH2 3 1 1 0 0 0 0 0 callee
    102 CALLCODE - 1 1 0 0 0 0 0 callee 50000
    @ 2 calling 50000
    0 CALLER 2
    1 PUSH1 3 calling
    3 SSTORE - calling 2
    @ 1 calling 931825
    103 PUSH1 3 1 1 1
    105 PUSH1 3 1 1 1 0
    107 PUSH1 3 1 1 1 0 0
    109 PUSH1 3 1 1 1 0 0 0
    111 PUSH20 3 1 1 1 0 0 0 0
    132 PUSH2 3 1 1 1 0 0 0 0 callee
    135 STATICCALL - 1 1 1 0 0 0 0 callee 50000
    @ 2 callee 50000
    0 CALLER 2
    1 PUSH1 3 calling
    3 SSTORE - calling 2
    @ 1 calling 881707
    136 STOP - 1 1 1 0
"""
HOLLOW = """
    @ 1 hollow 979000
    0 PUSH1 3
    2 PUSH1 3 0
    4 PUSH1 3 0 0
    6 PUSH1 3 0 0 0
    8 PUSH1 3 0 0 0 0
    10 PUSH1 3 0 0 0 0 0
    12 PUSH2 3 0 0 0 0 0 4
    15 CALL 115 0 0 0 0 0 4 50000
    16 PUSH1 3 1
    18 PUSH1 3 1 0
    20 PUSH1 3 1 0 0
    22 PUSH1 3 1 0 0 0
    24 PUSH1 3 1 0 0 0 0
    26 PUSH20 3 1 0 0 0 0 0
    47 PUSH2 3 1 0 0 0 0 0 nobody
    50 CALL 2600 1 0 0 0 0 0 nobody 50000
    51 PUSH1 3 1 1
    53 PUSH1 3 1 1 0
    55 PUSH1 3 1 1 0 0
    57 PUSH1 3 1 1 0 0 0
    59 PUSH1 3 1 1 0 0 0 0
    61 PUSH20 3 1 1 0 0 0 0 1
    82 PUSH2 3 1 1 0 0 0 0 1 callee
    85 CALL 9300 1 1 0 0 0 0 1 callee 50000
    86 STOP - 1 1 0
"""
CREATING = """
    @ 1 creating 979000
    0 PUSH4 3
    5 PUSH1 3 0x30600055
    7 MSTORE 6 0x30600055 0
    8 PUSH1 3
    10 PUSH1 3 4
    12 PUSH1 3 4 28
    14 CREATE - 4 28 0
    @ 2 child 932181
    0 ADDRESS 2
    1 PUSH1 3 child
    3 SSTORE - child 0
    @ 1 creating 924872
    15 PUSH1 3 child
    17 PUSH1 3 child 7
    19 PUSH1 3 child 7 4
    21 PUSH1 3 child 7 4 28
    23 CREATE2 - child 7 4 28 0
    @ 2 salted-child 878902
    0 ADDRESS 2
    1 PUSH1 3 salted-child
    3 SSTORE - salted-child 0
    @ 1 creating 870747
    24 STOP - child salted-child
"""
FAILING = """
    @ 1 failing 979000
    0 PUSH1 3
    2 PUSH1 3 0
    4 PUSH1 3 0 0
    6 PUSH1 3 0 0 0
    8 PUSH1 3 0 0 0 0
    10 PUSH20 3 0 0 0 0 0
    31 PUSH2 3 0 0 0 0 0 underflow
    34 CALL - 0 0 0 0 0 underflow 3000
    @ 2 underflow 3000
    0 PUSH1 3
    2 ADD - 1
    @ 1 failing 973379
    35 PUSH1 3 0
    37 PUSH1 3 0 0
    39 PUSH1 3 0 0 0
    41 PUSH1 3 0 0 0 0
    43 PUSH1 3 0 0 0 0 0
    45 PUSH20 3 0 0 0 0 0 0
    66 PUSH2 3 0 0 0 0 0 0 undefined
    69 CALL - 0 0 0 0 0 0 undefined 3000
    @ 2 undefined 3000
    0 PUSH1 3
    2 UNDEFINED - 1
    @ 1 failing 967758
    70 PUSH1 3 0 0
    72 PUSH1 3 0 0 0
    74 PUSH1 3 0 0 0 0
    76 PUSH1 3 0 0 0 0 0
    78 PUSH1 3 0 0 0 0 0 0
    80 PUSH20 3 0 0 0 0 0 0 0
    101 PUSH2 3 0 0 0 0 0 0 0 invalid
    104 CALL - 0 0 0 0 0 0 0 invalid 3000
    @ 2 invalid 3000
    0 PUSH1 3
    2 INVALID - 1
    @ 1 failing 962137
    105 PUSH1 3 0 0 0
    107 PUSH1 3 0 0 0 0
    109 PUSH1 3 0 0 0 0 0
    111 PUSH1 3 0 0 0 0 0 0
    113 PUSH1 3 0 0 0 0 0 0 0
    115 PUSH20 3 0 0 0 0 0 0 0 0
    136 PUSH2 3 0 0 0 0 0 0 0 0 astray
    139 CALL - 0 0 0 0 0 0 0 0 astray 3000
    @ 2 astray 3000
    0 PUSH1 3
    2 JUMP - 1
    @ 1 failing 956516
    140 PUSH1 3 0 0 0 0
    142 PUSH1 3 0 0 0 0 0
    144 PUSH1 3 0 0 0 0 0 0
    146 PUSH1 3 0 0 0 0 0 0 0
    148 PUSH1 3 0 0 0 0 0 0 0 0
    150 PUSH20 3 0 0 0 0 0 0 0 0 0
    171 PUSH2 3 0 0 0 0 0 0 0 0 0 reverting
    174 CALL - 0 0 0 0 0 0 0 0 0 reverting 3000
    @ 2 reverting 3000
    0 PUSH1 3
    2 PUSH1 3 1
    4 REVERT - 1 0
    @ 1 failing 953886
    175 PUSH1 3 0 0 0 0 0
    177 PUSH1 3 0 0 0 0 0 0
    179 PUSH1 3 0 0 0 0 0 0 0
    181 PUSH1 3 0 0 0 0 0 0 0 0
    183 PUSH1 3 0 0 0 0 0 0 0 0 0
    185 PUSH20 3 0 0 0 0 0 0 0 0 0 0
    206 PUSH2 3 0 0 0 0 0 0 0 0 0 0 thirsty
    209 CALL - 0 0 0 0 0 0 0 0 0 0 thirsty 3000
    @ 2 thirsty 3000
    0 PUSH1 3
    2 PUSH1 3 1
    4 SSTORE - 1 1
"""
ENDLESS = """
    @ 1 endless 40
    0 JUMPDEST 1
    1 PUSH1 3
    3 POP 2 1
    4 PUSH2 3
    7 JUMP 8 0
    0 JUMPDEST 1
    1 PUSH1 3
    3 POP 2 1
    4 PUSH2 3
    7 JUMP 8 0
    0 JUMPDEST 1
    1 PUSH1 3
    3 POP 2 1
    4 PUSH2 -
"""
CREATED = """
    @ 1 created 946946
    0 ADDRESS 2
    1 PUSH1 3 created
    3 SSTORE - created 0
"""
DELEGATED = """
    @ 1 authority 954000
    0 CALLER 2
    1 PUSH1 3 sender
    3 SSTORE - sender 2
"""


@dataclass(frozen=True, slots=True)
class ReferenceStep:
    """One step as every client has to stream it: what of it is compared. stack: the bottom first."""

    depth: int
    account: bytes
    pc: int
    op: int
    gas: int
    stack: tuple[int, ...]

    def __str__(self) -> str:
        words = " ".join(f"{word:x}" for word in self.stack)
        place = f"depth {self.depth}, account {self.account.hex()[:8]}…, pc {self.pc}, op {self.op:02x}"
        return f"{place}, gas {self.gas}, stack [{words}]"


@dataclass(frozen=True, slots=True)
class ReferenceTransaction:
    """What one transaction does. succeeded: its outermost call."""

    name: str
    steps: tuple[ReferenceStep, ...]
    succeeded: bool = True


def reference_transactions(addresses: dict[str, bytes]) -> tuple[tuple[ReferenceTransaction, ...], ...]:
    """The transactions of each block of the reference chain, whose participants have these addresses (20 bytes)."""

    def transaction(name: str, listing: str, *, succeeded: bool = True) -> ReferenceTransaction:
        return ReferenceTransaction(name, read_listing(listing, addresses), succeeded)

    first = (
        transaction("plain", PLAIN),
        transaction("truncated", TRUNCATED),
        transaction("calling", CALLING),
        transaction("hollow", HOLLOW),
        transaction("creating", CREATING),
        transaction("failing", FAILING),
        transaction("transfer", ""),
        transaction("endless", ENDLESS, succeeded=False),
        transaction("created", CREATED),
    )
    return first, (transaction("delegated", DELEGATED),)


def read_listing(listing: str, addresses: dict[str, bytes]) -> tuple[ReferenceStep, ...]:
    """The steps of a listing. Raises KeyError for a name that is in none of the tables, ValueError for no number."""
    words = {name: int.from_bytes(address, "big") for name, address in addresses.items()}
    steps = []
    depth, account, gas = 0, b"", 0
    for line in listing.split("\n"):
        match line.split():
            case []:
                continue
            case ["@", level, name, left]:
                depth, account, gas = int(level), addresses[name], int(left)
            case [pc, name, cost, *stack]:
                values = tuple(words[word] if word in words else int(word, 0) for word in stack)
                steps.append(ReferenceStep(depth, account, int(pc), OTHER.get(name) or CODES[name], gas, values))
                gas -= 0 if cost == "-" else int(cost)
    return tuple(steps)
