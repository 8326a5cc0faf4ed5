"""What the nested calls of a transaction did together, collected in a loop where py-evm recurses.

py-evm asks each call for its children's part by generators, and every generator is run through C. Python 3.12 counts
that against a limit of its own, which the recursion limit does not move and which its first releases have at 1500: less
than twice the 1024 nested calls that the protocol allows.
"""

from collections.abc import Iterator
from typing import Any

from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.vm.forks.spurious_dragon._utils import THREE


class CollectedFrames:
    """Mixed into py-evm's computations (one a call): the same answers as theirs. Order matters in none of them."""

    @property
    def is_origin_computation(self) -> bool:
        """Whether it is the transaction's own call.

        py-evm asks whether its sender is who sent the transaction. Since that account may have code (EIP-7702), calls
        and creations of its own are none, and paid for their init code twice.
        """
        return bool(self.msg.depth == 0)  # type: ignore[attr-defined]  # of the class this is mixed into

    def get_gas_refund(self) -> int:
        """Gas to be refunded for this call and those in it; of failed ones only what came with the message."""
        refund, waiting = 0, [self]
        while waiting:
            frame: Any = waiting.pop()
            refund += frame.msg.refund
            if not frame.is_error:
                refund += frame._gas_meter.gas_refunded
                waiting += frame.children
        return refund

    def get_accounts_for_deletion(self) -> list[bytes]:
        """The accounts, 20 bytes each, that called SELFDESTRUCT in calls that did not fail."""
        return list({address for frame in _kept(self) for address in frame.accounts_to_delete})

    def get_self_destruct_beneficiaries(self) -> list[bytes]:
        """Who was given their balance."""
        return list({address for frame in _kept(self) for address in frame.beneficiaries})

    def get_raw_log_entries(self) -> tuple[Any, ...]:
        """The logs of calls that did not fail, by the counter that each starts with."""
        return tuple(sorted(entry for frame in _kept(self) for entry in frame._log_entries))


def touched_accounts(computation: Any) -> set[bytes]:
    """The accounts that are deleted if they are empty after a transaction (EIP-161), as `collect_touched_accounts`.

    The precompile RIPEMD-160 counts as touched also in a call that failed: clients had that mistake on mainnet, and it
    became the rule (https://github.com/ethereum/EIPs/issues/716).
    """
    touched = {computation.state.coinbase}
    waiting = [(computation, False)]
    while waiting:
        frame, is_undone = waiting.pop()
        addressed = set() if frame.is_error else set(frame.beneficiaries)
        is_undone = is_undone or frame.is_error
        if frame.msg.to != CREATE_CONTRACT_ADDRESS:
            addressed.add(frame.msg.to)
        touched |= addressed & {THREE} if is_undone else addressed
        waiting += [(child, is_undone) for child in frame.children]
    return touched


def _kept(frame: Any) -> Iterator[Any]:
    """The frame and those in it, without what failed and what is in that."""
    waiting = [frame]
    while waiting:
        kept = waiting.pop()
        if not kept.is_error:
            yield kept
            waiting += kept.children
