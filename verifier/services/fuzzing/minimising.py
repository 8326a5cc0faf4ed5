"""Makes a draft smaller as long as the same clients differ in the same way: what can be left out is left out.

Delta debugging, greedily: halves first, then ever smaller parts, of transactions, accounts, instructions, calldata,
lists; then plain values in the place of others. Bounded by trials and by what `may_go_on` says.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from .bytecode import Instruction, assemble, disassemble
from .draft import Draft, Environment, TransactionDraft
from .values import replaced

T = TypeVar("T")
Still = Callable[[Draft], Awaitable[bool]]
PLAIN = TransactionDraft()
SIMPLE_FIELDS = ("value", "price", "priority", "blob_price", "nonce_offset", "chain", "protected", "tampering", "gas")


class Minimiser:
    """still: whether a draft shows the same difference. trials: at most so many are tried."""

    def __init__(self, draft: Draft, still: Still, trials: int, may_go_on: Callable[[], bool]) -> None:
        self.draft = draft
        self.tried = 0
        self._still = still
        self._trials = trials
        self._may_go_on = may_go_on
        self._seen: set[str] = set()

    async def run(self) -> Draft:
        """The smallest draft that was found; the given one if nothing can be left out."""
        before = None
        while before != self.draft and self._has_time():
            before = self.draft
            await self._transactions()
            await self._accounts()
            await self._environment()
            await self._inside_transactions()
            await self._inside_accounts()
        return self.draft

    def _has_time(self) -> bool:
        return self.tried < self._trials and self._may_go_on()

    async def _try(self, draft: Draft) -> bool:
        if draft == self.draft or not self._has_time():
            return False
        key = repr(draft)
        if key in self._seen:
            return False
        self._seen.add(key)
        self.tried += 1
        if not await self._still(draft):
            return False
        self.draft = draft
        return True

    async def _shrink(self, items: Sequence[T], rebuilt: Callable[[tuple[T, ...]], Draft]) -> None:
        """Leaves out of a list what can be left out."""
        kept = tuple(items)
        size = max(1, len(kept) // 2)
        while kept and self._has_time():
            start = 0
            while start < len(kept):
                fewer = kept[:start] + kept[start + size :]
                if await self._try(rebuilt(fewer)):
                    kept = fewer
                else:
                    start += size
            if size == 1:
                return
            size //= 2

    async def _transactions(self) -> None:
        await self._shrink(self.draft.transactions, lambda kept: replace(self.draft, transactions=kept))

    async def _accounts(self) -> None:
        await self._shrink(sorted(self.draft.accounts.items()), lambda kept: replace(self.draft, accounts=dict(kept)))

    async def _environment(self) -> None:
        await self._shrink(
            self.draft.environment.withdrawals,
            lambda kept: replace(self.draft, environment=replace(self.draft.environment, withdrawals=kept)),
        )
        if await self._try(replace(self.draft, environment=Environment())):
            return
        for field in fields(Environment):
            plain: Any = {field.name: getattr(Environment(), field.name)}
            await self._try(replace(self.draft, environment=replace(self.draft.environment, **plain)))

    async def _inside_transactions(self) -> None:
        for index in range(len(self.draft.transactions)):
            for name in SIMPLE_FIELDS:
                await self._try(self._with(index, **{name: getattr(PLAIN, name)}))
            for kind in (2, 0):
                await self._try(self._with(index, kind=kind, blob_hashes=(), authorizations=()))
            for name in ("access_list", "blob_hashes", "authorizations"):
                await self._shrink(getattr(self.draft.transactions[index], name), self._setter(index, name))
            data = self.draft.transactions[index].data
            await self._shrink(data, lambda kept, at=index: self._with(at, data=bytes(kept)))  # type: ignore[misc]
            await self._try(self._with(index, data=bytes(len(self.draft.transactions[index].data))))

    def _setter(self, index: int, name: str) -> Callable[[tuple[Any, ...]], Draft]:
        return lambda kept: self._with(index, **{name: kept})

    def _with(self, index: int, **changes: Any) -> Draft:
        transactions = self.draft.transactions
        changed = replace(transactions[index], **changes)
        return replace(self.draft, transactions=replaced(transactions, index, changed))

    async def _inside_accounts(self) -> None:
        for address in sorted(self.draft.accounts):
            account = self.draft.accounts[address]
            await self._shrink(
                sorted(account.storage.items()),
                lambda kept, at=address: self._account(at, storage=dict(kept)),  # type: ignore[misc]
            )
            for plain in ({"balance": 0}, {"nonce": 1}):
                await self._try(self._account(address, **plain))
            await self._code(address)

    def _account(self, address: bytes, **changes: Any) -> Draft:
        changed = replace(self.draft.accounts[address], **changes)
        return replace(self.draft, accounts={**self.draft.accounts, address: changed})

    async def _code(self, address: bytes) -> None:
        def rebuilt(kept: tuple[Instruction, ...]) -> Draft:
            return self._account(address, code=assemble(kept))

        await self._shrink(disassemble(self.draft.accounts[address].code), rebuilt)
        instructions = disassemble(self.draft.accounts[address].code)
        for index, instruction in enumerate(instructions):
            if len(instruction.immediate) > 1 and instruction.target is None and not instruction.missing:
                # A push of nothing in its place; the code gets shorter.
                shorter = replaced(instructions, index, Instruction(0x60, b"\0"))
                if await self._try(rebuilt(shorter)):
                    instructions = shorter
