"""Results grouped into sides, and what the sides differ in: header fields, receipts, values of the post-state."""

from collections.abc import Sequence
from dataclasses import dataclass

from witness.model import PostAccount, PostState

from .localization import FieldDifference, Side, StateDifference
from .result import Abstention, BrokenRule, Computed, Outcome, Receipt, Result
from .statement import outcome_digest
from .vote import COMPARED_FIELDS, Vote, VoteKind, hexadecimal

MAX_STATE_DIFFERENCES = 20  # one wrong transfer makes two, and a report must stay readable
RULE = "rule"  # the name of the field that a broken rule is listed under


@dataclass(frozen=True, slots=True)
class GroupedResults:
    """The results of one side, those of which most is known first, and the side as it is told."""

    side: Side
    results: tuple[Result, ...]

    @property
    def outcome(self) -> Outcome:
        """What they all say, as far as the one that tells most tells it."""
        return self.results[0].outcome

    @property
    def quickest(self) -> tuple[str, ...]:
        """Its adapters, those first that have answered soonest; a client whose answer took no time comes last."""
        return tuple(each.adapter for each in sorted(self.results, key=lambda each: each.elapsed_ms or float("inf")))


def group_sides(results: Sequence[Result], votes: Sequence[Vote]) -> tuple[GroupedResults, ...]:
    """The sides of a disagreement, that of most lineages first; the order of results and votes does not matter.

    A result whose vote says nothing is on no side, unless it contradicts others. Those that have everything alike that
    both tell are on one side; a client that tells two roots alone joins the side that has them.
    """
    kinds = {vote.adapter: vote.kind for vote in votes if vote.kind is not VoteKind.ABSTAIN or vote.differences}
    stated = [each for each in results if each.adapter in kinds and not isinstance(each.outcome, Abstention)]
    # Who tells most comes first, so that those who tell little cannot decide how the others are grouped.
    stated.sort(key=lambda each: (-_told(each.outcome), each.adapter))
    groups: list[list[Result]] = []
    for result in stated:
        for group in groups:
            alike = all(agree(result.outcome, other.outcome) for other in group)
            if alike and kinds[result.adapter] is kinds[group[0].adapter]:
                group.append(result)
                break
        else:
            groups.append([result])
    sides = [GroupedResults(_side(group, kinds[group[0].adapter]), tuple(group)) for group in groups]
    return tuple(sorted(sides, key=lambda each: (-len(each.side.lineages), each.side.adapters)))


def agree(first: Outcome, second: Outcome) -> bool:
    """Whether two outcomes have everything alike that both tell."""
    if isinstance(first, BrokenRule) and isinstance(second, BrokenRule):
        return first.rule == second.rule
    if not isinstance(first, Computed) or not isinstance(second, Computed):
        return False
    for name in (*COMPARED_FIELDS, "post_state"):
        values = getattr(first, name), getattr(second, name)
        if None not in values and values[0] != values[1]:
            return False
    if not first.receipts or not second.receipts:
        return True
    return first_differing_transaction((first.receipts, second.receipts)) is None


def field_differences(outcomes: Sequence[Outcome]) -> tuple[FieldDifference, ...]:
    """The fields that the outcomes, one a side, do not all have alike. A field that only some tell is none."""
    differences = []
    broken = tuple(outcome.rule if isinstance(outcome, BrokenRule) else None for outcome in outcomes)
    if len(set(broken)) > 1:
        differences.append(FieldDifference(RULE, broken))
    for name in COMPARED_FIELDS:
        values = [getattr(outcome, name, None) for outcome in outcomes]
        if len({value for value in values if value is not None}) > 1:
            told = tuple(None if value is None else hexadecimal(value) for value in values)
            differences.append(FieldDifference(name, told))
    return tuple(differences)


def first_differing_transaction(receipts: Sequence[Sequence[Receipt]]) -> int | None:
    """Index of the first receipt that is not the same in all that tell any; None: there is none."""
    told = [each for each in receipts if each]
    if len(told) < 2:
        return None
    for index in range(max(map(len, told))):
        at = [each[index] if index < len(each) else None for each in told]
        if any(_receipt(each) != _receipt(at[0]) for each in at[1:]):
            return index
    return None


def state_differences(states: Sequence[PostState | None]) -> tuple[StateDifference, ...]:
    """What the post-states, one a side, do not all have alike: by address, the first MAX_STATE_DIFFERENCES.

    None: that side tells no post-state.
    """
    told = [state for state in states if state is not None]
    if len(told) < 2:
        return ()
    differences: list[StateDifference] = []
    for address in sorted(set().union(*told)):
        if all(address in state and state[address] == told[0].get(address) for state in told):
            continue
        differences += _account_differences(address, [None if each is None else _of(each, address) for each in states])
        if len(differences) >= MAX_STATE_DIFFERENCES:
            break
    return tuple(differences[:MAX_STATE_DIFFERENCES])


def _side(group: Sequence[Result], kind: VoteKind) -> Side:
    adapters = tuple(sorted(each.adapter for each in group))
    lineages = tuple(sorted({each.lineage for each in group}))
    return Side(adapters, lineages, kind, outcome_digest(group[0].outcome))


def _told(outcome: Outcome) -> int:
    """How much an outcome tells."""
    if not isinstance(outcome, Computed):
        return 0
    names = (*COMPARED_FIELDS, "post_state")
    return sum(getattr(outcome, name) is not None for name in names) + bool(outcome.receipts)


def _receipt(receipt: Receipt | None) -> tuple[object, ...]:
    """What is compared of a receipt: the consensus fields, the bloom being in the logs."""
    if receipt is None:
        return ()
    return receipt.cumulative_gas_used, receipt.succeeded, receipt.logs_hash, receipt.post_state


def _account_differences(address: bytes, accounts: Sequence[PostAccount | str | None]) -> list[StateDifference]:
    """accounts: one a side; "unchanged", "deleted", or None where the side tells no post-state."""
    if "deleted" in accounts:
        exists = {"deleted": "no", "unchanged": None, None: None}
        values = tuple("yes" if isinstance(each, PostAccount) else exists[each] for each in accounts)
        return [StateDifference(address, "exists", values)]
    described = [_described(each) if isinstance(each, PostAccount) else {} for each in accounts]
    differences = []
    for name in dict.fromkeys(name for each in described for name in each):
        told = [each.get(name) for each, account in zip(described, accounts, strict=True) if account is not None]
        if len(set(told)) > 1:
            differences.append(StateDifference(address, name, tuple(each.get(name) for each in described)))
    return differences


def _of(state: PostState, address: bytes) -> PostAccount | str:
    account = state.get(address, "unchanged")
    return "deleted" if account is None else account


def _described(account: PostAccount) -> dict[str, str]:
    """A changed account as named values."""
    values: dict[str, bytes | int] = {
        "nonce": account.nonce,
        "balance": account.balance,
        "code_hash": account.code_hash,
    }
    slots = {f"slot 0x{key.hex()}": hexadecimal(value) for key, value in sorted(account.slots.items())}
    return {name: hexadecimal(value) for name, value in values.items()} | slots
