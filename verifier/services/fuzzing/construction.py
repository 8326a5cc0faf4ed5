"""From a draft to a block: built by the embedded executor, so that what its header claims is py-evm's word.

All clients then are compared with that word, and so with each other. Of transactions that may not be included the first
may be put into the block nevertheless: every client has to refuse it, and for its own sake. So may a header be changed:
whether the block is valid then, py-evm says too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from verifier.domain.conformance import CaseName, Expected, ReasonClass
from verifier.errors import ExecutorError
from verifier.executors.stateful.embedded.building import BlockPlan, build_with_requests
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.embedded.signing import BLOB
from verifier.executors.stateful.embedded.trail import Trail, trailing_parts, trailing_run
from verifier.executors.stateful.errors import UnbuildableBlockError, UndecodableBlockError
from verifier.executors.stateful.fake import MemorySink
from verifier.executors.stateful.genesis import Genesis
from verifier.services.conformance.case import Case, CaseBlock
from verifier.services.conformance.loaders.networks import network_of
from witness.header import decode_block_header
from witness.rlp_encoding import encode_list, encode_string
from witness.rlp_item import list_items
from witness.trie import list_root

from .amsterdam import AMSTERDAM, BEFORE, template
from .draft import Draft, TransactionDraft
from .headers import with_fault, with_fields
from .signatures import signed
from .wallets import wallets
from .world import GENESIS_TIME, genesis_of

KIND = "generated"
REFUSED = "generated: a transaction that may not be included"
"""A block's `exception` where it has one; see `classes_of_word`."""
FAULTY = "generated: a header field that was changed"
REFUSALS = frozenset(
    {
        ReasonClass.TRANSACTION, ReasonClass.BLOCK_GAS, ReasonClass.BLOB_GAS, ReasonClass.ENCODING, ReasonClass.HEADER,
    }
)  # fmt: skip
MOST_REFUSED = 6  # transactions of one draft; a draft of more is built without the rest


@dataclass(frozen=True, slots=True)
class Refusal:
    """A transaction that py-evm does not include. index: in the draft. reason: in its words."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Built:
    """A block with what it took. case: of one block. features: that py-evm met; refused: left out, or put in.

    label: what is wrong with it on purpose, in short, "" if nothing. gas_used: by the block's header.
    """

    case: Case
    block: bytes
    features: frozenset[str]
    refused: tuple[Refusal, ...] = ()
    label: str = ""
    included: tuple[int, ...] = ()
    gas_used: int = 0

    @property
    def expected(self) -> Expected:
        """What py-evm says of it."""
        return self.case.blocks[0].expected


class Constructor:
    """Builds blocks one after the other; not for several threads. Raises ExecutorError where py-evm itself fails."""

    def __init__(self) -> None:
        self._trail = Trail()
        self._parts = trailing_parts(self._trail)
        self._run_class = trailing_run(self._trail)

    def build(self, draft: Draft, name: str) -> Built:
        """The block of a draft. name: of its test. In Amsterdam its header is left open, see `amsterdam`."""
        if draft.fork == AMSTERDAM:
            return self._build_later(draft, name)
        genesis = genesis_of(draft)
        executor = EmbeddedExecutor(None, genesis, MemorySink(), sections=False)
        self._trail.clear()
        try:
            return self._build(draft, name, genesis, executor)
        finally:
            executor.close()

    def _build_later(self, draft: Draft, name: str) -> Built:
        built = self.build(replace(draft, fork=BEFORE, fault=None, with_refused=False), name)
        genesis = genesis_of(draft)
        block = template(genesis, built.block)
        case = Case(CaseName(KIND, name, network_of(draft.fork), KIND), (block,), genesis)
        features = {each for each in built.features if each != f"fork:{BEFORE}"} | {f"fork:{draft.fork}"}
        return replace(built, case=case, block=block.encoded, features=frozenset(features))

    def _build(self, draft: Draft, name: str, genesis: Genesis, executor: EmbeddedExecutor) -> Built:
        left: list[int] = list(range(len(draft.transactions)))
        refused: list[Refusal] = []
        while True:
            encoded = _signed([draft.transactions[index] for index in left])
            try:
                block = self._built(draft, genesis, executor, encoded)
                break
            except UnbuildableBlockError as error:
                if error.transaction is None:
                    raise
                refused.append(Refusal(left[error.transaction], error.reason))
                left = left[: error.transaction] + (
                    [] if len(refused) >= MOST_REFUSED else left[error.transaction + 1 :]
                )
        features = {*self._trail.taken(), *_described(draft, left, refused)}
        case_block, label = CaseBlock(block), ""
        # Rules on the block as a whole are not checked where it is built: those on requests, on blobs, on its limit.
        kinds = {draft.transactions[index].kind for index in left}
        if (self._trail.broken or BLOB in kinds) and not _is_valid(executor, block):
            label = "requests" if self._trail.broken else "blobs"
            case_block = CaseBlock(block, Expected.INVALID, FAULTY)
        if draft.fault is not None:
            changed = with_fault(block, draft.fault)
            valid = _is_valid(executor, changed)
            label = f"header-{draft.fault.name}"
            case_block = CaseBlock(changed) if valid else CaseBlock(changed, Expected.INVALID, FAULTY)
            features.add(f"header:{draft.fault.name}:{'valid' if valid else 'invalid'}")
        elif draft.with_refused and refused:
            at = sum(index < refused[0].index for index in left)
            extra = _signed([draft.transactions[index] for index in (*left[:at], refused[0].index)])[-1]
            label = f"transaction-{_kind_of(refused[0].reason)}"
            case_block = CaseBlock(
                _with_transactions(block, [*encoded[:at], extra, *encoded[at:]]), Expected.INVALID, REFUSED
            )
        network = network_of(draft.fork)
        case = Case(CaseName(KIND, f"{name}-{label}" if label else name, network, KIND), (case_block,), genesis)
        return Built(
            case,
            case_block.encoded,
            frozenset(features),
            tuple(refused),
            label,
            tuple(left),
            decode_block_header(block).gas_used,
        )

    def _built(self, draft: Draft, genesis: Genesis, executor: EmbeddedExecutor, encoded: Sequence[bytes]) -> bytes:
        environment = draft.environment
        withdrawals = [
            (index, validator, address, amount)
            for index, (validator, address, amount) in enumerate(environment.withdrawals)
        ]
        plan = BlockPlan(
            timestamp=GENESIS_TIME + max(1, environment.step),
            transactions=encoded,
            withdrawals=withdrawals,
            coinbase=environment.coinbase,
            extra_data=environment.extra_data,
            random=environment.random,
            parent_beacon_block_root=environment.beacon_root,
        )
        with executor.reading() as reader:
            return build_with_requests(
                genesis.config, reader, executor.head().hash, plan, self._parts, self._run_class
            )[0]


def classes_of_word(word: str) -> frozenset[ReasonClass]:
    """The reasons for which a client may refuse a generated block; empty for any.

    A transaction that may not be included is to be refused for itself: a client that executes it nevertheless finds
    other roots than the header has, which is no reason.
    """
    return REFUSALS if word == REFUSED else frozenset()


def _signed(transactions: Sequence[TransactionDraft]) -> list[bytes]:
    """Transactions one after the other, each with its sender's next nonce."""
    nonces = {index: wallet.account.nonce for index, wallet in enumerate(wallets())}
    encoded = []
    for transaction in transactions:
        encoded.append(signed(transaction, nonces[transaction.sender]))
        nonces[transaction.sender] += 1
    return encoded


def _described(draft: Draft, included: Sequence[int], refused: Sequence[Refusal]) -> set[str]:
    kinds = {f"type:{draft.transactions[index].kind}" for index in included}
    kinds |= {f"refused:{draft.transactions[each.index].kind}:{_kind_of(each.reason)}" for each in refused}
    return {*kinds, f"fork:{draft.fork}"}


def _kind_of(reason: str) -> str:
    """A reason without the values in it: a few words."""
    words = [word.strip(".,:;()'\"") for word in reason.replace("-", " ").split()]
    kept = [word.lower() for word in words if word.isalpha()]
    return "-".join(kept[:6]) or "undecodable"


def _is_valid(executor: EmbeddedExecutor, block: bytes) -> bool:
    try:
        return executor.execute(block).invalid is None
    except (UndecodableBlockError, ExecutorError):
        return False


def _with_transactions(block: bytes, encoded: Sequence[bytes]) -> bytes:
    """The block with other transactions, its header saying so."""
    items = list_items(block)
    listed = encode_list(b"".join(each if each[:1] >= b"\xc0" else encode_string(each) for each in encoded))
    _, begin, _, end = items[0]
    _, _, _, after = items[1]
    changed = encode_list(block[begin:end] + listed + block[after:])
    return with_fields(changed, {"transactions_root": list_root(list(encoded))})
