"""Bugs that split Ethereum's clients, each with a client that has it again and a block that trips it.

docs/would-it-have-been-caught.md is this table with what came of it; a test holds the two together.
"""

from dataclasses import dataclass
from enum import StrEnum

from tests.faults import dragon_blocks as dragon
from tests.faults import eels_mutations as eels
from tests.faults import tripping_blocks as blocks


class Client(StrEnum):
    """Whose code is changed. Of each there is one lineage, so a bug in it is one voice of six."""

    EELS = "eels"
    GETH = "geth"
    ETHEREUMJS = "ethereumjs"


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug. name, reference: as in the document. mutation: of the EELS client, the others have one each.

    block: the name of the one that trips it. lineages: those that execute its fork.

    fields: the header's that the client computes differently; empty where it says that the block breaks `rule`.
    What the localizer finds of it: transaction: the index of the first one that differs; opcode: the instruction whose
    execution differs; state: the account (20 bytes) and what of it differs after the block, looked for where no
    instruction does. None: there is none.
    """

    name: str
    reference: str
    client: Client
    change: str
    block: str
    fields: tuple[str, ...]
    mutation: str = ""
    rule: str = ""
    transaction: int | None = None
    opcode: str | None = None
    state: tuple[bytes, str] | None = None
    lineages: tuple[str, ...] = ("geth", "ethrex", "revm", "ethereumjs", "eels", "pyevm")


def slot(number: int) -> str:
    """As the localizer names it."""
    return f"slot 0x{number:064x}"


GAS_FIELDS = ("state_root", "receipts_root", "gas_used")  # a unit of gas is paid for, receipted and counted
STATE_FIELDS = ("state_root",)
BEFORE_BYZANTIUM = ("geth", "ethereumjs", "eels", "pyevm")

CATALOGUE = (
    Bug(
        name="geth, identity precompile aliasing",
        reference="CVE-2021-39137, mainnet 13107518 (2021-08-27)",
        client=Client.GETH,
        change="`dataCopy.Run` returns its input, not a copy of it",
        block=blocks.overlapping_identity.__name__,
        fields=STATE_FIELDS,
        transaction=1,
        opcode="MLOAD",
    ),
    Bug(
        name="geth, shallow copy of the 0x4 precompile",
        reference="CVE-2020-26241, geth before 1.9.17",
        client=Client.EELS,
        change="the return data of 0x4 is the caller's memory, as it is when it is read",
        mutation=eels.shallow_copy.__name__,
        block=blocks.overwritten_identity.__name__,
        fields=STATE_FIELDS,
        transaction=1,
        opcode="MLOAD",
    ),
    Bug(
        name="geth, transfer to an account destroyed in the same block",
        reference="CVE-2020-26265, geth 1.9.4 to 1.9.19",
        client=Client.EELS,
        change="a destroyed account that is sent ether has its old balance again",
        mutation=eels.transfer_to_destroyed.__name__,
        block=blocks.destroyed_recipient.__name__,
        fields=STATE_FIELDS,
        state=(blocks.DESTROYED, "balance"),
    ),
    Bug(
        name="geth, deletion of an empty account not reverted",
        reference="mainnet 2686351 (2016-11-24)",
        client=Client.EELS,
        change="an empty account is deleted although the call that touched it failed",
        mutation=eels.touch_survives_failure.__name__,
        block=dragon.FAILED_TOUCH,
        # Receipts of that time hold the state root after their transaction.
        fields=("state_root", "receipts_root"),
        transaction=1,
        state=(dragon.EMPTY, "exists"),
        lineages=BEFORE_BYZANTIUM,
    ),
    Bug(
        name="RIPEMD touch",
        reference="mainnet 2675119 (2016-11-22)",
        client=Client.EELS,
        change="a failed call of RIPEMD-160 does not touch its account, as the rule would have it",
        mutation=eels.ripemd_like_any_other.__name__,
        block=dragon.FAILED_RIPEMD,
        fields=("state_root", "receipts_root"),
        transaction=1,
        state=(dragon.RIPEMD160, "exists"),
        lineages=BEFORE_BYZANTIUM,
    ),
    Bug(
        name="OpenEthereum, price of a precompile that Berlin does not have",
        reference="openethereum #353, mainnet 12244294 (2021-04-15)",
        client=Client.EELS,
        change="the address of a later fork's precompile is warm from the start (100 gas for 2600)",
        mutation=eels.warm_inactive_precompile.__name__,
        block=blocks.inactive_precompile.__name__,
        fields=GAS_FIELDS,
        transaction=1,
        opcode="CALL",
    ),
    Bug(
        name="Nethermind, overflow in revert data",
        reference="mainnet 19056922 (2024-01-21)",
        client=Client.EELS,
        change="revert data is decoded, and a number that is too large makes the block invalid",
        mutation=eels.revert_reason_overflow.__name__,
        block=blocks.strange_revert.__name__,
        fields=(),
        rule="transaction",
        transaction=1,
    ),
    Bug(
        name="Besu, right receipts and a wrong root",
        reference="besu #6357, mainnet 18947893 (2024-01-06)",
        client=Client.EELS,
        change="the slots of a contract destroyed and made again in one block are in the state again",
        mutation=eels.storage_survives_destruction.__name__,
        block=blocks.reborn_contract.__name__,
        fields=STATE_FIELDS,
        state=(blocks.MADE_AGAIN, slot(1)),
    ),
    Bug(
        name="Reth, one storage update lost",
        reference="reth #18205, mainnet 23272427 (2025-09-02)",
        client=Client.EELS,
        change="the first slot that the block clears stays in the trie",
        mutation=eels.lost_storage_update.__name__,
        block=blocks.cleared_slots.__name__,
        fields=STATE_FIELDS,
        state=(blocks.WRITER, slot(blocks.TO_CLEAR[0])),
    ),
    Bug(
        name="Nethermind, false INVALID from Fusaka on",
        reference="mainnet slot 13164552 (2025-12-03)",
        client=Client.EELS,
        change="the next fork's rules are in force before its time",
        mutation=eels.EARLY_OSAKA,
        block=blocks.large_gas_limit.__name__,
        fields=(),
        rule="transaction",
        transaction=1,
    ),
    Bug(
        name="Besu, curve check of alt_bn128",
        reference="CVE-2025-30147, Besu to 25.2.2",
        client=Client.EELS,
        change="points that are not on the curve are added",
        mutation=eels.unchecked_curve.__name__,
        block=blocks.point_off_curve.__name__,
        fields=GAS_FIELDS,
        transaction=1,
        opcode="CALL",
    ),
    Bug(
        name="Erigon, gas off in one transaction",
        reference="erigon #20009, mainnet 24662531 (2026-03-19)",
        client=Client.EELS,
        change="a slot that an earlier transaction cleared costs 17100 gas less to fill",
        mutation=eels.cheap_refilled_slot.__name__,
        block=blocks.refilled_slot.__name__,
        fields=GAS_FIELDS,
        transaction=2,
        opcode="SSTORE",
    ),
    Bug(
        name="Nimbus, gas of CREATE",
        reference="nimbus-eth1 #868, mainnet 6001128",
        client=Client.EELS,
        change="a creation that cannot pay for its code keeps the gas that it had",
        mutation=eels.free_failed_deposit.__name__,
        block=blocks.unpaid_code.__name__,
        fields=GAS_FIELDS,
        transaction=1,
        opcode="RETURN",
    ),
    Bug(
        name="BLOCKHASH window off by one",
        reference="a bound that every client has to get right; no one incident",
        client=Client.ETHEREUMJS,
        change="BLOCKHASH reaches back 255 blocks",
        block=blocks.oldest_ancestor.__name__,
        fields=GAS_FIELDS,
        transaction=1,
        opcode="BLOCKHASH",
    ),
)
