"""Prestate mode: nobody computes a state root, so what the block changed is compared slot by slot instead.

What n lineages agree on is right, if nothing contradicts it: neither another n, nor the stateful executor's own
post-state where that is at hand. Only then is who differs INVALID. Where it is contradicted, or no n agree, nobody can
say who is right, as nothing here is bound to the block's hash: who differs abstains, and the block is held.
"""

from collections.abc import Sequence
from dataclasses import replace

from witness.model import Header, PostAccount, PostState

from .quorum import QuorumPolicy
from .result import AbstentionReason, Computed, Result
from .vote import Difference, Vote, VoteKind, hexadecimal, read_result

MAX_DIFFERENCES = 20  # that a vote keeps; one wrong transfer makes two, and a report must stay readable


def cast_votes(
    header: Header, results: Sequence[Result], policy: QuorumPolicy, recorded: PostState | None
) -> tuple[Vote, ...]:
    """One vote a result, in their order. recorded: the stateful executor's post-state, None where there is none.

    Casting again with further results may change earlier votes; where n is more than half of the lineages, never those
    of a group that has n.
    """
    votes = [read_result(header, result, unproven=True) for result in results]
    states: dict[int, PostState] = {}
    for index, (vote, result) in enumerate(zip(votes, results, strict=True)):
        if vote.kind is VoteKind.VALID and isinstance(result.outcome, Computed):
            states[index] = result.outcome.post_state or {}
    groups = _groups(states)
    quorate = [states[group[0]] for group in groups if _lineages(votes, group, policy) >= policy.required]
    if len(quorate) == 1 and recorded in (None, quorate[0]):
        return _against(votes, states, quorate[0], "what a quorum agrees on", VoteKind.INVALID)
    if len(quorate) < 2 and recorded is not None:
        return _against(votes, states, recorded, "the recorded post-state", VoteKind.ABSTAIN)
    if len(groups) < 2:
        return tuple(votes)
    first = groups[0][0]
    reason = f"{AbstentionReason.REFUSED}: other post-states contradict it, and no quorum decides"
    contradicted = [
        replace(vote, kind=VoteKind.ABSTAIN, reason=reason) if index in states else vote
        for index, vote in enumerate(votes)
    ]
    return _against(contradicted, states, states[first], f"that of {votes[first].adapter}", VoteKind.ABSTAIN)


def post_state_differences(expected: PostState, computed: PostState) -> tuple[Difference, ...]:
    """What differs, by address and slot key, the first MAX_DIFFERENCES of it."""
    differences: list[Difference] = []
    for address in sorted(expected.keys() | computed.keys()):
        differences += _account_differences(
            f"post_state.0x{address.hex()}", _described(expected, address), _described(computed, address)
        )
        if len(differences) >= MAX_DIFFERENCES:
            break
    return tuple(differences[:MAX_DIFFERENCES])


def _against(
    votes: Sequence[Vote], states: dict[int, PostState], expected: PostState, name: str, kind: VoteKind
) -> tuple[Vote, ...]:
    cast = []
    for index, vote in enumerate(votes):
        state = states.get(index)
        differences = () if state is None else post_state_differences(expected, state)
        if differences:
            reason = f"differs from {name}: {differences[0].field}"
            if kind is VoteKind.ABSTAIN:
                reason = f"{AbstentionReason.REFUSED}: {reason}, and no quorum decides"
            cast.append(replace(vote, kind=kind, reason=reason, differences=differences))
        else:
            cast.append(vote)
    return tuple(cast)


def _groups(states: dict[int, PostState]) -> list[list[int]]:
    """Indices of equal post-states together, in order of their first."""
    groups: list[list[int]] = []
    for index, state in states.items():
        for group in groups:
            if states[group[0]] == state:
                group.append(index)
                break
        else:
            groups.append([index])
    return groups


def _lineages(votes: Sequence[Vote], group: Sequence[int], policy: QuorumPolicy) -> int:
    """How many configured lineages are in a group."""
    members = [votes[index] for index in group]
    return len({vote.lineage for vote in members if policy.adapters.get(vote.adapter) == vote.lineage})


def _described(state: PostState, address: bytes) -> dict[str, str]:
    """An account as named values; none where it is not among the changed ones."""
    if address not in state:
        return {}
    account: PostAccount | None = state[address]
    if account is None:
        return {"account": "deleted"}
    slots = {f"storage.0x{key.hex()}": hexadecimal(value) for key, value in sorted(account.slots.items())}
    return {
        "account": "changed",
        "nonce": hexadecimal(account.nonce),
        "balance": hexadecimal(account.balance),
        "code_hash": hexadecimal(account.code_hash),
        **slots,
    }


def _account_differences(prefix: str, expected: dict[str, str], computed: dict[str, str]) -> list[Difference]:
    if expected.get("account") != computed.get("account"):
        unchanged = "unchanged"
        return [Difference(prefix, expected.get("account", unchanged), computed.get("account", unchanged))]
    return [
        Difference(f"{prefix}.{name}", expected.get(name, "unchanged"), computed.get(name, "unchanged"))
        for name in {**expected, **computed}
        if expected.get(name) != computed.get(name)
    ]
