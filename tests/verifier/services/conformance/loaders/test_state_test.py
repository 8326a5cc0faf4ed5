"""State tests as chains of one block: the post state that is computed by hand is what the executor reaches."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.services.conformance.suites import eest
from verifier.domain.conformance import CaseName, Expected
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.embedded.signing import BLOB, DYNAMIC_FEE, Call, Wallet
from verifier.executors.stateful.embedded.system_contracts import SYSTEM_CONTRACTS
from verifier.executors.stateful.fake import MemorySink
from verifier.services.conformance.case import Case, LoadFailure
from verifier.services.conformance.completion import complete
from verifier.services.conformance.loaders.accounts import parse_accounts
from verifier.services.conformance.loaders.document import read_document
from verifier.services.conformance.loaders.excess_blob_gas import child_excess, parent_excess
from verifier.services.conformance.loaders.fixtures import fixture_files
from verifier.services.conformance.loaders.state_test import state_cases, state_names
from verifier.services.reproduction.state_test import EMPTY_CODE, root_of
from verifier.services.reproduction.transaction import block_transactions
from witness.chain_config import BlobSchedule
from witness.header import decode_block_header, keccak256
from witness.model import PostAccount

BALANCE, VALUE, BASE_FEE, TIP = 10**18, 12345, 10, 10**9
TO, COINBASE = b"\x77" * 20, b"\x2a" * 20
BLOB_GAS = 1 << 17
FORKS = ("Paris", "Shanghai", "Cancun", "Prague", "Osaka")
NO_LOGS = keccak256(b"\xc0")


def wallet() -> Wallet:
    return Wallet(b"\x11" * 32, 1)


def members(account: PostAccount, code: bytes = b"") -> dict[str, Any]:
    return {
        "nonce": hex(account.nonce),
        "balance": hex(account.balance),
        "code": f"0x{code.hex()}",
        "storage": {},
    }


def state_test(fork: str, *, blobs: int = 0, excess: int = 0, **post: Any) -> dict[str, Any]:
    """A transfer, and what it comes to: reckoned here, not executed."""
    sender = wallet()
    hashes = (b"\x01" + b"\x22" * 31,) * blobs
    call = Call(to=TO, value=VALUE, gas=21000, price=10**10, priority=TIP, blob_price=100, blob_hashes=hashes)
    transaction = sender.sign(BLOB if blobs else DYNAMIC_FEE, call)
    paid = VALUE + 21000 * (BASE_FEE + TIP) + blobs * BLOB_GAS  # a unit of blob gas costs 1 wei without excess
    after = {
        sender.address: PostAccount(1, BALANCE - paid, EMPTY_CODE),
        TO: PostAccount(0, VALUE, EMPTY_CODE),
        COINBASE: PostAccount(0, 21000 * TIP, EMPTY_CODE),
    }
    return {
        "env": {
            "currentCoinbase": f"0x{COINBASE.hex()}",
            "currentGasLimit": "0x1c9c380",
            "currentNumber": "0x1",
            "currentTimestamp": "0x3e8",
            "currentBaseFee": hex(BASE_FEE),
            "currentRandom": "0x" + "05" * 32,
            "currentDifficulty": "0x0",
            "currentExcessBlobGas": hex(excess),
        },
        "pre": {f"0x{sender.address.hex()}": members(PostAccount(0, BALANCE, EMPTY_CODE))},
        "transaction": {"sender": f"0x{sender.address.hex()}"},
        "post": {
            fork: [
                {
                    "hash": f"0x{root_of(after).hex()}",
                    "logs": f"0x{NO_LOGS.hex()}",
                    "txbytes": f"0x{transaction.hex()}",
                    "indexes": {"data": 0, "gas": 0, "value": 0},
                    "state": {f"0x{address.hex()}": members(account) for address, account in after.items()},
                    **post,
                }
            ]
        },
    }


def cases(test: Any) -> list[Case | LoadFailure]:
    names = [CaseName("a.json", f"t/{part}", network, "state_test") for part, network in state_names(test)]
    return list(state_cases(test, [(name, True) for name in names]))


def only(test: Any) -> Case:
    (case,) = cases(test)
    assert isinstance(case, Case), case
    return case


def reason(test: Any) -> LoadFailure:
    (failure,) = cases(test)
    assert isinstance(failure, LoadFailure), failure
    return failure


@pytest.mark.parametrize("fork", FORKS)
def test_the_executor_accepts_the_completed_block(tmp_path: Path, fork: str) -> None:
    case = complete(only(state_test(fork)), tmp_path / "building")
    assert not case.blocks[0].uncertain
    assert case.genesis is not None
    executor = EmbeddedExecutor(tmp_path / "state", case.genesis, MemorySink(), sync=False)
    outcome = executor.import_block(case.blocks[0].encoded)
    executor.close()
    assert outcome.invalid is None
    header = decode_block_header(case.blocks[0].encoded)
    assert (header.number, header.timestamp, header.base_fee, header.gas_used) == (1, 1000, BASE_FEE, 21000)
    assert (header.coinbase, header.mix_hash) == (COINBASE, b"\x05" * 32)
    assert not case.blocks[0].unstated


@pytest.mark.parametrize(("fork", "excess"), [("Cancun", 0), ("Cancun", 5 * BLOB_GAS), ("Prague", 0), ("Osaka", 0)])
def test_blobs_and_their_excess(tmp_path: Path, fork: str, excess: int) -> None:
    case = complete(only(state_test(fork, blobs=2, excess=excess)), tmp_path / "building")
    assert case.genesis is not None
    executor = EmbeddedExecutor(tmp_path / "state", case.genesis, MemorySink(), sync=False)
    outcome = executor.import_block(case.blocks[0].encoded)
    executor.close()
    assert outcome.invalid is None
    header = decode_block_header(case.blocks[0].encoded)
    assert (header.blob_gas_used, header.excess_blob_gas) == (2 * BLOB_GAS, excess)


def test_a_wrong_post_state_is_kept(tmp_path: Path) -> None:
    """The fixture's root is what clients are held to: it is not replaced by what was computed."""
    case = complete(only(state_test("Cancun", hash="0x" + "99" * 32)), tmp_path / "building")
    assert case.blocks[0].uncertain == ("receipts_root", "logs_bloom", "gas_used")
    assert decode_block_header(case.blocks[0].encoded).state_root == b"\x99" * 32


def test_an_invalid_transaction_makes_an_invalid_block(tmp_path: Path) -> None:
    test = state_test("Cancun", expectException="TransactionException.NONCE_MISMATCH_TOO_LOW")
    (account,) = test["pre"].values()
    account["nonce"] = "0x5"
    case = only(test)
    block = case.blocks[0]
    assert (block.expected, block.exception) == (Expected.INVALID, "TransactionException.NONCE_MISMATCH_TOO_LOW")
    assert complete(case, tmp_path / "building") == case  # nothing to compute
    assert case.genesis is not None
    executor = EmbeddedExecutor(tmp_path / "state", case.genesis, MemorySink(), sync=False)
    outcome = executor.import_block(block.encoded)
    executor.close()
    assert "nonce" in (outcome.invalid or "").lower()


def test_each_fork_and_index_is_a_case() -> None:
    test = state_test("Cancun")
    test["post"]["Shanghai"] = test["post"]["Cancun"] * 2
    test["post"]["London"] = test["post"]["Cancun"]
    assert [name for name, _ in state_names(test)] == ["Cancun/0", "Shanghai/0", "Shanghai/1", "London/0"]
    found = cases(test)
    assert [type(each) for each in found] == [Case, Case, Case, LoadFailure]
    assert "reward" in found[-1].reason if isinstance(found[-1], LoadFailure) else False


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"env": {"currentNumber": "0x0"}}, "no parent"),
        ({"env": {"currentTimestamp": "0x0"}}, "no parent"),
        ({"env": {"currentGasLimit": hex(1 << 63)}}, "gas limit"),
        ({"pre": {"0x" + "12" * 20: {"code": "0x6001405000"}}}, "BLOCKHASH"),
        ({"pre": {f"0x{next(iter(SYSTEM_CONTRACTS)).hex()}": {"nonce": "0x1"}}}, "would call"),
    ],
)
def test_what_no_block_can_be_made_of_is_left_out(change: dict[str, dict[str, Any]], why: str) -> None:
    test = state_test("Cancun")
    for part, entries in change.items():
        test[part].update(entries)
    failure = reason(test)
    assert failure.left_out
    assert why in failure.reason


def test_pushed_data_is_no_instruction() -> None:
    test = state_test("Cancun")
    test["pre"]["0x" + "12" * 20] = {"code": "0x604000"}
    assert isinstance(cases(test)[0], Case)


def test_prague_needs_the_whole_post_state() -> None:
    test = state_test("Prague")
    del test["post"]["Prague"][0]["state"]
    assert reason(test).left_out
    test = state_test("Prague")
    next(iter(test["post"]["Prague"][0]["state"].values()))["balance"] = "0x1"
    failure = reason(test)
    assert not failure.left_out
    assert "root" in failure.reason


def test_wanted_alone_is_made() -> None:
    test = state_test("Cancun")
    test["post"]["Cancun"] *= 3
    names = [CaseName("a", part, network, "state_test") for part, network in state_names(test)]
    made = list(state_cases(test, [(name, name.test == "Cancun/1") for name in names]))
    assert [each.name.test for each in made] == ["Cancun/1"]


def derived(test: dict[str, Any]) -> dict[str, Any]:
    """The state test that a block of one transaction was made of: its states without what a block adds to them."""
    block = test["blocks"][0]
    header = (block if "blockHeader" in block else block["rlp_decoded"])["blockHeader"]
    (transaction,) = block_transactions(bytes.fromhex(block["rlp"][2:]))
    system = {f"0x{address.hex()}" for address in SYSTEM_CONTRACTS}
    before, after = (
        {address: account for address, account in test[key].items() if address.lower() not in system}
        for key in ("pre", "postState")
    )
    entry = {"hash": f"0x{root_of(post_accounts(after)).hex()}", "txbytes": f"0x{transaction.hex()}", "state": after}
    if "expectException" in block:
        entry["expectException"] = block["expectException"]
    environment = {name: header[key] for name, key in HEADER_OF_ENVIRONMENT.items()}
    post = {test["network"]: [entry]}
    return {"env": environment, "pre": before, "transaction": {}, "post": post, "config": test["config"]}


HEADER_OF_ENVIRONMENT = {
    "currentCoinbase": "coinbase",
    "currentGasLimit": "gasLimit",
    "currentNumber": "number",
    "currentTimestamp": "timestamp",
    "currentBaseFee": "baseFeePerGas",
    "currentRandom": "mixHash",
    "currentExcessBlobGas": "excessBlobGas",
}


def post_accounts(accounts: Any) -> dict[bytes, PostAccount]:
    return {
        address: PostAccount(
            account.nonce,
            account.balance,
            keccak256(account.code),
            {slot.to_bytes(32, "big"): value for slot, value in account.storage.items()},
        )
        for address, account in parse_accounts(accounts, "state").items()
    }


@pytest.mark.parametrize("folder", ["shanghai/eip3860_initcode", "prague/eip7702_set_code_tx", "osaka"])
def test_real_state_tests_are_what_their_fixture_says(tmp_path: Path, folder: str) -> None:
    """Blocks of eest that were made from state tests, taken apart: made again they are what they were."""
    tests = [
        value
        for path in fixture_files(eest() / "blockchain_tests" / folder)[:: 4 if folder == "osaka" else 2]
        for name, value in list(read_document(path).items())[::12]
        if "from_state_test" in name and len(value["blocks"]) == 1 and "postState" in value
    ]
    assert tests
    for index, test in enumerate(tests):
        case = complete(only(derived(test)), tmp_path / f"{index}-building")
        assert case.genesis is not None
        executor = EmbeddedExecutor(tmp_path / f"{index}", case.genesis, MemorySink(), sync=False)
        outcome = executor.import_block(case.blocks[0].encoded)
        executor.close()
        assert (outcome.invalid is None) is (case.blocks[0].expected is Expected.VALID), outcome.invalid


values = st.none() | st.integers() | st.text(max_size=6) | st.just("0x") | st.lists(st.integers(), max_size=2)
KEYS = ("env", "pre", "transaction", "post", "config")
POST_KEYS = ("hash", "txbytes", "state", "expectException")
ENVIRONMENT = (
    *("currentCoinbase", "currentGasLimit", "currentNumber", "currentTimestamp", "currentBaseFee", "currentRandom"),
    "currentExcessBlobGas",
)


@given(data=st.data())
def test_any_damage_gives_cases_or_failures(data: st.DataObject) -> None:
    test = state_test(data.draw(st.sampled_from([*FORKS, "Amsterdam", "Atlantis", "PragueToOsakaAtTime15k"])))
    (entries,) = test["post"].values()
    part, keys = data.draw(st.sampled_from([(test, KEYS), (entries[0], POST_KEYS), (test["env"], ENVIRONMENT)]))
    key = data.draw(st.sampled_from(keys))
    part[key] = data.draw(values | st.dictionaries(st.sampled_from([*FORKS, "0x" + "11" * 20]), values, max_size=2))
    names = state_names(test)
    if names and "post" in test:
        found = cases(test)
        assert len(found) == len(names)


@given(
    excess=st.integers(0, (1 << 64) - 1), base_fee=st.integers(0, 1 << 128), fork=st.sampled_from(["cancun", "osaka"])
)
def test_a_parent_s_excess_gives_the_child_s(excess: int, base_fee: int, fork: str) -> None:
    schedule = BlobSchedule(6, 9, 5007716)
    found = parent_excess(fork, schedule, excess, base_fee)
    if found is not None:
        assert child_excess(fork, schedule, found, base_fee) == excess
    if fork == "cancun":
        assert found is not None
