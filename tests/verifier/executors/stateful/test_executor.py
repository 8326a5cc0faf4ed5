"""The embedded executor: imports, refusals, rollback, branches, restart."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.errors import ExecutorError, InputError, RollbackDepthError, UnknownBlockError
from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.embedded.building import BlockPlan, address_of, build_block
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.embedded.sample_chain import BPO1, GENESIS_TIME, OSAKA, PRAGUE, SLOT
from verifier.executors.stateful.embedded.sample_contracts import ADDRESSES, deposit_event
from verifier.executors.stateful.embedded.signing import DYNAMIC_FEE, Call, Wallet
from verifier.executors.stateful.errors import (
    DatabaseInUseError,
    ForeignDatabaseError,
    UndecodableBlockError,
    UnsupportedForkError,
)
from verifier.executors.stateful.fake import MemorySink
from verifier.executors.stateful.genesis import Genesis
from witness.chain_config import ChainConfig
from witness.file import encode_witness_file
from witness.header import FIELDS, decode_block_header, keccak256
from witness.model import BlockWitness
from witness.store import WitnessStore

from .chains import reexecute, sample_blocks, sample_genesis
from .conftest import OpenSample

HEADER_FIELDS = {
    "state root": 3,
    "transactions root": 4,
    "receipts root": 5,
    "bloom": 6,
    "difficulty": 7,
    "gas limit": 9,
    "gas used": 10,
    "timestamp": 11,
    "extra data": 12,
    "nonce": 14,
    "base fee": 15,
    "withdrawals root": 16,
    "uncles hash": 1,
}


def tampered(block: bytes, index: int, change: Callable[[bytes], bytes]) -> bytes:
    fields = list(rlp.decode(block))
    header = list(fields[0])
    header[index] = change(header[index])
    return bytes(rlp.encode([header, *fields[1:]]))


def other(value: bytes) -> bytes:
    """Another value of the same length, still a canonical quantity."""
    return bytes([*value[:-1], value[-1] ^ 0x40]) if value else b"\x01"


def import_all(executor: EmbeddedExecutor, blocks: tuple[bytes, ...]) -> list[ImportOutcome]:
    return [executor.import_block(block) for block in blocks]


def test_head_follows_the_imports(open_sample: OpenSample) -> None:
    executor = open_sample()
    assert executor.head().number == 0
    for block in sample_blocks()[:4]:
        outcome = executor.import_block(block)
        assert executor.head() == outcome.block


def test_known_block_is_neither_executed_nor_published(open_sample: OpenSample) -> None:
    sink = MemorySink()
    executor = open_sample(sink=sink)
    executor.import_block(sample_blocks()[0])
    sink.published.clear()
    outcome = executor.import_block(sample_blocks()[0])
    assert outcome.known
    assert not sink.published


def test_results_are_kept(open_sample: OpenSample) -> None:
    executor = open_sample()
    outcome = executor.import_block(sample_blocks()[0])
    assert outcome.witness is not None
    assert executor.results(outcome.block.hash) == outcome.witness.expected
    assert executor.results(bytes(32)) is None


@pytest.mark.parametrize("field", sorted(HEADER_FIELDS.keys() - {"extra data"}))
def test_wrong_header_field_is_invalid_and_changes_nothing(field: str, open_sample: OpenSample) -> None:
    executor = open_sample()
    import_all(executor, sample_blocks()[:1])
    before = executor.head()
    outcome = executor.import_block(tampered(sample_blocks()[1], HEADER_FIELDS[field], other))
    assert outcome.invalid is not None
    assert outcome.results is None
    assert outcome.witness is not None
    assert json.loads(bytes(outcome.witness.expected or b"")) == {"invalid": outcome.invalid}
    assert executor.head() == before
    assert executor.results(outcome.block.hash) is None
    assert executor.import_block(sample_blocks()[1]).results is not None


@pytest.mark.parametrize("field", ["state root", "receipts root", "bloom", "gas used", "base fee", "extra data"])
def test_invalid_block_yields_the_whole_witness(
    field: str, open_sample: OpenSample, sample_outcomes: tuple[ImportOutcome, ...]
) -> None:
    executor = open_sample()
    import_all(executor, sample_blocks()[:1])
    index = HEADER_FIELDS[field]
    change = other if field != "extra data" else lambda _: bytes(33)
    outcome = executor.import_block(tampered(sample_blocks()[1], index, change))
    assert outcome.witness is not None
    good = sample_outcomes[1].witness
    assert good is not None
    assert set(good.witness.codes) <= set(outcome.witness.witness.codes)
    # A wrong base fee changes balances, and so what is written, but not what is read.
    assert set(good.witness.state) <= set(outcome.witness.witness.state)
    again = reexecute(outcome.witness, outcome.fork)
    assert again.invalid == outcome.invalid


def test_bad_transaction_yields_the_accounts_it_names(open_sample: OpenSample) -> None:
    executor = open_sample()
    fields = list(rlp.decode(sample_blocks()[0]))
    fields[1] = [fields[1][0], *fields[1]]  # the first transaction twice: a nonce too low
    outcome = executor.import_block(bytes(rlp.encode(fields)))
    assert outcome.invalid is not None
    assert "transaction 1" in outcome.invalid
    assert "nonce" in outcome.invalid
    assert outcome.witness is not None
    assert reexecute(outcome.witness, outcome.fork).invalid == outcome.invalid


def test_unknown_transaction_type_is_invalid(open_sample: OpenSample) -> None:
    fields = list(rlp.decode(sample_blocks()[0]))
    fields[1] = [b"\x7f\xc0"]
    outcome = open_sample().import_block(bytes(rlp.encode(fields)))
    assert outcome.invalid is not None
    assert outcome.invalid.startswith("block encoding: ")


@given(data=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_garbage_is_undecodable(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    sink = MemorySink()
    directory = tmp_path_factory.mktemp("garbage")
    with EmbeddedExecutor(directory, sample_genesis(), sink, sync=False) as executor:
        with pytest.raises(UndecodableBlockError):
            executor.import_block(data)
        assert not sink.published


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_flipped_bytes_never_enter_the_chain(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    block = bytearray(sample_blocks()[0])
    position = data.draw(st.integers(0, len(block) - 1))
    block[position] ^= data.draw(st.integers(1, 255))
    with EmbeddedExecutor(tmp_path_factory.mktemp("flip"), sample_genesis(), MemorySink(), sync=False) as executor:
        try:
            outcome = executor.import_block(bytes(block))
        except (UndecodableBlockError, UnknownBlockError, UnsupportedForkError):
            assert executor.head().number == 0
        else:
            # Of all that a block says only the extra data is free. The prevRandao, the time and the fee recipient are
            # too, but then the roots are others.
            is_valid = is_other_extra_data(bytes(block))
            assert (outcome.invalid is None) == is_valid
            assert executor.head().number == int(is_valid)


def is_other_extra_data(block: bytes) -> bool:
    """Whether a block differs from the first one in the content of its header's extra data alone."""
    original = rlp.decode(sample_blocks()[0])
    try:
        changed = rlp.decode(block)
    except rlp.exceptions.DecodingError:
        return False
    extra_data = [name for name, _ in FIELDS].index("extra_data")
    length = len(original[0][extra_data])
    original[0][extra_data] = changed[0][extra_data]
    return bool(original == changed and len(changed[0][extra_data]) == length)


def test_truncated_block_is_undecodable(open_sample: OpenSample) -> None:
    executor = open_sample()
    with pytest.raises(UndecodableBlockError, match="not a block"):
        executor.import_block(sample_blocks()[0][:-1])


def test_unknown_parent(open_sample: OpenSample) -> None:
    with pytest.raises(UnknownBlockError, match="parent"):
        open_sample().import_block(sample_blocks()[1])


def test_fork_that_py_evm_lacks_is_not_executed(tmp_path: Path) -> None:
    genesis = sample_genesis()
    document = {**genesis.config.document, "amsterdamTime": GENESIS_TIME + 2 * SLOT}
    amsterdam = Genesis(ChainConfig(genesis.config.chain_id, document), genesis.header_fields, genesis.accounts)
    sink = MemorySink()
    with EmbeddedExecutor(tmp_path, amsterdam, sink, sync=False) as executor:
        executor.import_block(sample_blocks()[0])
        with pytest.raises(UnsupportedForkError, match="amsterdam"):
            executor.import_block(sample_blocks()[1])
        assert executor.head().number == 1
        assert len(sink.published) == 1


def test_rollback_and_again_gives_the_same_bytes(open_sample: OpenSample) -> None:
    sink = MemorySink()
    executor = open_sample(sink=sink)
    first = import_all(executor, sample_blocks()[:7])
    before = {hash_: encode_witness_file(content) for hash_, content in sink.published.items()}
    for target in (6, 3, 1):
        assert executor.rollback(first[target - 1].block.hash) == first[target - 1].block
        assert executor.head().number == target
        sink.published.clear()
        again = import_all(executor, sample_blocks()[target:7])
        assert [outcome.results for outcome in again] == [outcome.results for outcome in first[target:]]
        for hash_, content in sink.published.items():
            assert encode_witness_file(content) == before[hash_]
        assert executor.head().number == 7


def test_rollback_to_genesis_and_to_the_head(open_sample: OpenSample) -> None:
    executor = open_sample()
    genesis = executor.head()
    import_all(executor, sample_blocks()[:2])
    head = executor.head()
    assert executor.rollback(head.hash) == head
    assert executor.rollback(genesis.hash) == genesis
    assert executor.import_block(sample_blocks()[0]).results is not None


def test_rollback_refusals(open_sample: OpenSample) -> None:
    executor = open_sample(rollback_depth=2)
    outcomes = import_all(executor, sample_blocks()[:4])
    with pytest.raises(UnknownBlockError):
        executor.rollback(bytes(32))
    with pytest.raises(RollbackDepthError, match="3 below"):
        executor.rollback(outcomes[0].block.hash)
    assert executor.head() == outcomes[3].block
    executor.rollback(outcomes[1].block.hash)
    with pytest.raises(UnknownBlockError, match="not the head or an ancestor"):
        executor.rollback(outcomes[3].block.hash)


def side_block(executor: EmbeddedExecutor, parent: bytes, number: int) -> bytes:
    plan = BlockPlan(GENESIS_TIME + number * SLOT, coinbase=address_of("side"), extra_data=b"side")
    with executor.reading() as reader:
        return build_block(sample_genesis().config, reader, parent, plan)


def test_side_branch_becomes_the_chain_when_it_is_longer(open_sample: OpenSample) -> None:
    executor = open_sample()
    main = import_all(executor, sample_blocks()[:4])
    parent = main[1].block.hash
    branch = []
    for number in (3, 4, 5):
        block = side_block(executor, parent, number)
        branch.append(executor.import_block(block))
        assert branch[-1].results is not None
        parent = branch[-1].block.hash
        assert executor.head() == (main[3].block if number < 5 else branch[-1].block)
    # The old blocks are no ancestors any more; the new ones are.
    with pytest.raises(UnknownBlockError):
        executor.rollback(main[2].block.hash)
    assert executor.rollback(branch[0].block.hash) == branch[0].block
    # Back on the main chain, whose blocks are executed and published again.
    executor.rollback(main[1].block.hash)
    again = import_all(executor, sample_blocks()[2:5])
    assert again[0].witness == main[2].witness
    assert executor.head().number == 5


def test_side_branch_below_the_depth_is_refused(open_sample: OpenSample) -> None:
    executor = open_sample(rollback_depth=2)
    main = import_all(executor, sample_blocks()[:4])
    block = side_block(executor, main[0].block.hash, 2)
    with pytest.raises(RollbackDepthError, match="3 below"):
        executor.import_block(block)


def test_restart_goes_on(open_sample: OpenSample, sample_outcomes: tuple[ImportOutcome, ...]) -> None:
    for number, block in enumerate(sample_blocks()[:6], 1):
        executor = open_sample()
        assert executor.head().number == number - 1
        outcome = executor.import_block(block)
        assert outcome.witness == sample_outcomes[number - 1].witness
        executor.close()


def test_directory_of_another_chain_is_refused(open_sample: OpenSample, tmp_path: Path) -> None:
    open_sample().close()
    genesis = sample_genesis()
    elsewhere = Genesis(ChainConfig(5, {**genesis.config.document, "chainId": 5}), genesis.header_fields, {})
    for strange in (elsewhere, Genesis(genesis.config, genesis.header_fields, {})):
        with pytest.raises(ForeignDatabaseError, match=f"belongs to chain {genesis.config.chain_id}"):
            EmbeddedExecutor(tmp_path / "state", strange, MemorySink())
    assert open_sample().head().number == 0


def test_second_writer_is_refused(open_sample: OpenSample) -> None:
    open_sample()
    with pytest.raises(DatabaseInUseError, match="in use by another process"):
        open_sample()


def test_genesis_with_another_root_than_stated_is_refused(tmp_path: Path) -> None:
    genesis = sample_genesis()
    fields = (*genesis.header_fields[:3], bytes(32), *genesis.header_fields[4:])
    with pytest.raises(InputError, match="state root"):
        EmbeddedExecutor(tmp_path, Genesis(genesis.config, fields, genesis.accounts), MemorySink())


class FailingSink:
    """A disk that is full."""

    def publish(self, content: BlockWitness) -> Path | None:
        raise OSError(28, "No space left on device")


def test_block_whose_witness_cannot_be_published_is_not_imported(open_sample: OpenSample) -> None:
    executor = open_sample(sink=FailingSink())
    with pytest.raises(ExecutorError, match="No space left"):
        executor.import_block(sample_blocks()[0])
    assert executor.head().number == 0


def test_witness_file_is_there_before_the_import_is(open_sample: OpenSample, tmp_path: Path) -> None:
    class Observer:
        executor: EmbeddedExecutor
        heads: list[int] = []  # noqa: RUF012 - of this test alone

        def publish(self, content: BlockWitness) -> Path | None:
            self.heads.append(self.executor.head().number)
            return None

    observer = Observer()
    observer.executor = open_sample(sink=observer)
    import_all(observer.executor, sample_blocks()[:2])
    assert observer.heads == [0, 1]


def test_broken_request_rule_yields_the_whole_witness(open_sample: OpenSample) -> None:
    """Block 18 makes deposits; with another layout of their events all that follows is executed and recorded too."""
    executor = open_sample()
    good = import_all(executor, sample_blocks()[:18])[17]
    executor.rollback(decode_block_header(sample_blocks()[17]).parent_hash)
    sender = Wallet(keccak256(b"sample chain sender"), sample_genesis().config.chain_id)
    sender.nonce = int.from_bytes(rlp.decode(rlp.decode(sample_blocks()[17])[1][-1][1:])[1], "big")
    call = Call(to=ADDRESSES["deposits"], data=deposit_event(2)[:-32])
    fields = list(rlp.decode(sample_blocks()[17]))
    fields[1] = [*fields[1][:-1], sender.sign(DYNAMIC_FEE, call)]
    outcome = executor.import_block(bytes(rlp.encode(fields)))
    assert outcome.invalid is not None
    assert outcome.invalid.startswith("Deposit event has 544 bytes")
    assert outcome.witness is not None
    assert good.witness is not None
    assert set(good.witness.witness.state) <= set(outcome.witness.witness.state)
    assert reexecute(outcome.witness, outcome.fork).invalid == outcome.invalid


def test_block_above_the_size_limit(open_sample: OpenSample) -> None:
    """EIP-7934, from Osaka on: the block before breaks other rules with the same transaction, but not this one."""
    executor = open_sample()
    import_all(executor, sample_blocks()[: PRAGUE - 1])
    for number, block in enumerate(sample_blocks()[PRAGUE - 1 : OSAKA], PRAGUE):
        fields = list(rlp.decode(block))
        wallet = Wallet(keccak256(b"anybody"), sample_genesis().config.chain_id)
        fields[1] = [*fields[1], wallet.sign(DYNAMIC_FEE, Call(data=bytes(8_388_608), to=bytes(20)))]
        if number >= OSAKA - 1:
            outcome = executor.import_block(bytes(rlp.encode(fields)))
            assert outcome.invalid is not None
            assert ("at most 8388608 are allowed" in outcome.invalid) == (number == OSAKA)
        executor.import_block(block)


def test_excess_blob_gas_by_the_schedule_of_the_blocks_own_fork(open_sample: OpenSample) -> None:
    executor = open_sample()
    import_all(executor, sample_blocks()[: BPO1 - 1])
    blob = 131_072  # gas
    by_osaka = 3 * blob + 7 * blob * 3 // 9
    wrong = tampered(sample_blocks()[BPO1 - 1], 18, lambda _: by_osaka.to_bytes(3, "big"))
    outcome = executor.import_block(wrong)
    assert outcome.invalid is not None
    assert f"excess blob gas: header {by_osaka}, computed {3 * blob + 7 * blob * 6 // 15}" in outcome.invalid
    assert executor.import_block(sample_blocks()[BPO1 - 1]).results is not None


def test_published_file(open_sample: OpenSample, tmp_path: Path) -> None:
    with WitnessStore(tmp_path / "witnesses", sync=False) as store:
        outcome = open_sample(sink=store).import_block(sample_blocks()[0])
        assert outcome.path == store.path(outcome.block.hash)
        header = decode_block_header(sample_blocks()[0])
        assert outcome.block.hash == header.hash == keccak256(rlp.encode(rlp.decode(sample_blocks()[0])[0]))
        opened = store.open(header.hash)
        assert opened is not None
        assert bytes(opened.producer or b"").startswith(b'{"name":"py-evm"')
