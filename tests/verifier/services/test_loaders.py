"""Loaders of genesis documents, block files and fixtures: right on real ones, an error of their own otherwise."""

import contextlib
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
import rlp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.services.conformance.loaders.blockchain_test import block_hash, parse_blockchain_test
from verifier.services.conformance.loaders.blockchain_test_engine import parse_engine_test
from verifier.services.conformance.loaders.document import octets, parse_fixtures, parse_json, quantity
from verifier.services.conformance.loaders.errors import FixtureError, NotFixtureError
from verifier.services.conformance.loaders.fixtures import fixture_files, load_tests
from verifier.services.conformance.loaders.genesis import hive_config, load_genesis, parse_genesis
from verifier.services.conformance.loaders.networks import network_config
from verifier.services.conformance.loaders.rlp_chain import load_blocks, split_blocks
from witness.chain_config import TIMED_FORKS, BlobSchedule
from witness.header import decode_header

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "fixtures" / "chain"
DATA = ROOT.parent / "shared" / "data"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["0x", "0x01", "0xzz", "Prague"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
# A loaded machine must not fail a test that is about values.
FUZZ = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
GENESIS_KEYS = ("config", "alloc", "difficulty", "gasLimit", "timestamp", "nonce", "extraData", "coinbase", "number")
TEST_KEYS = ("network", "pre", "blocks", "engineNewPayloads", "genesisBlockHeader", "lastblockhash", "config")


def real_data(folder: str) -> Path:
    path = DATA / folder
    if not path.is_dir():
        pytest.skip(f"real data is absent: ../shared/data/{folder}")
    return path


# Genesis


def test_sample_genesis() -> None:
    genesis = load_genesis(SAMPLE / "genesis.json")
    assert genesis.config.chain_id == 7330001
    assert len(genesis.header_fields) == 17  # Shanghai
    assert genesis.header_fields[3] is None
    assert sum(len(account.storage) for account in genesis.accounts.values()) == 16


def test_hive_variables_give_the_config_that_hive_gives() -> None:
    folder = real_data("hivechain")
    document = json.loads((folder / "genesis.json").read_text())
    converted = hive_config(json.loads((folder / "forkenv.json").read_text()))
    expected = {key: value for key, value in document["config"].items() if key != "ethash"}
    assert converted == expected
    by_variables = parse_genesis({**document, "config": json.loads((folder / "forkenv.json").read_text())})
    assert by_variables.accounts == load_genesis(folder / "genesis.json").accounts


def test_genesis_defaults_of_geth() -> None:
    genesis = parse_genesis({"config": {"chainId": 1, "londonBlock": 0, "ethash": {}}, "alloc": {}})
    assert [int.from_bytes(genesis.header_fields[index] or b"", "big") for index in (7, 9, 15)] == [
        131072,
        4712388,
        10**9,
    ]


@pytest.mark.parametrize(
    ("forks", "fields"),
    [
        ({}, 15),
        ({"londonBlock": 0}, 16),
        ({"londonBlock": 1}, 15),
        ({"londonBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0}, 17),
        ({"londonBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0}, 20),
        ({"londonBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0}, 21),
        ({"londonBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 9}, 17),
    ],
)
def test_genesis_header_has_the_fields_of_its_fork(forks: dict[str, int], fields: int) -> None:
    assert len(parse_genesis({"config": {"chainId": 1, **forks}, "alloc": {}}).header_fields) == fields


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"config": {}, "alloc": {}},
        {"config": {"chainId": 1}},
        {"config": {"chainId": 1}, "alloc": {"0x12": {}}},
        {"config": {"chainId": 1}, "alloc": {"00" * 20: {}, "0x" + "00" * 20: {}}},
        {"config": {"chainId": 1}, "alloc": {"00" * 20: {"balance": "-1"}}},
        {"config": {"chainId": 1}, "alloc": {"00" * 20: {"nonce": hex(1 << 64)}}},
        {"config": {"chainId": 1}, "alloc": {"00" * 20: {"code": "0x1"}}},
        {"config": {"chainId": 1}, "alloc": {}, "nonce": hex(1 << 64)},
        {"config": {"chainId": 1, "blobSchedule": {"cancun": {}}}, "alloc": {}},
        {"config": {"chainId": 1, "terminalTotalDifficulty": "many"}, "alloc": {}},
    ],
)
def test_wrong_genesis(document: Any) -> None:
    with pytest.raises(FixtureError):
        parse_genesis(document)


@FUZZ
@given(document=st.dictionaries(st.sampled_from(GENESIS_KEYS), json_values))
def test_any_genesis_document_gives_a_genesis_or_an_error(document: Any) -> None:
    with contextlib.suppress(FixtureError):
        parse_genesis(document)


# Block files


def test_blocks_are_split_as_written(tmp_path: Path) -> None:
    data = (SAMPLE / "chain.rlp").read_bytes()
    blocks = list(load_blocks(SAMPLE / "chain.rlp"))
    assert len(blocks) == 37
    assert b"".join(blocks) == data
    compressed = tmp_path / "chain.rlp.gz"
    compressed.write_bytes(gzip.compress(data))
    assert list(load_blocks(compressed)) == blocks


@given(lists=st.lists(st.lists(st.binary(max_size=80), max_size=5), max_size=5))
def test_any_lists_are_split_as_written(lists: list[list[bytes]]) -> None:
    encoded = [rlp.encode(item) for item in lists]
    assert list(split_blocks(io.BytesIO(b"".join(encoded)))) == encoded


@given(data=st.binary(max_size=300))
def test_any_bytes_are_split_or_refused(data: bytes) -> None:
    with contextlib.suppress(FixtureError):
        assert b"".join(split_blocks(io.BytesIO(data))) == data


def test_truncated_file_gives_the_blocks_before_its_end() -> None:
    data = (SAMPLE / "chain.rlp").read_bytes()
    blocks: list[bytes] = []
    with pytest.raises(FixtureError, match="ends within a block"):
        blocks.extend(split_blocks(io.BytesIO(data[:-1])))
    assert list(split_blocks(io.BytesIO(data[: sum(len(block) for block in blocks)]))) == blocks


def test_huge_block_is_refused_unread() -> None:
    with pytest.raises(FixtureError, match="at most"):
        list(split_blocks(io.BytesIO(b"\xff" + b"\xff" * 8)))


def test_damaged_gzip_and_absent_files(tmp_path: Path) -> None:
    path = tmp_path / "chain.rlp.gz"
    path.write_bytes(gzip.compress(b"\xc0" * 100)[:-9])
    with pytest.raises(FixtureError):
        list(load_blocks(path))
    for load in (load_genesis, load_blocks, load_tests):
        with pytest.raises(FixtureError, match="absent"):
            list(load(tmp_path / "absent"))  # type: ignore[arg-type]


# Networks


@pytest.mark.parametrize(
    ("network", "before", "after"),
    [
        ("FrontierToHomesteadAt5", (4, 0, "frontier"), (5, 0, "homestead")),
        ("HomesteadToDaoAt5", (4, 0, "homestead"), (5, 0, "dao")),
        ("ByzantiumToConstantinopleFixAt5", (4, 0, "byzantium"), (5, 0, "petersburg")),
        ("EIP158ToByzantiumAt5", (4, 0, "spurious_dragon"), (5, 0, "byzantium")),
        ("ShanghaiToCancunAtTime15k", (1, 14_999, "shanghai"), (1, 15_000, "cancun")),
        ("PragueToOsakaAtTime15k", (1, 14_999, "prague"), (1, 15_000, "osaka")),
        ("OsakaToBPO1AtTime15k", (1, 14_999, "osaka"), (1, 15_000, "bpo1")),
        ("BPO1ToBPO2AtTime15k", (1, 14_999, "bpo1"), (1, 15_000, "bpo2")),
        ("BPO2ToAmsterdamAtTime15k", (1, 14_999, "bpo2"), (1, 15_000, "amsterdam")),
        ("Osaka", (0, 0, "osaka"), (9, 9, "osaka")),
        ("BPO2", (0, 0, "bpo2"), (9, 9, "bpo2")),
        ("Constantinople", (0, 0, "constantinople"), (9, 9, "constantinople")),
        ("Paris", (0, 0, "paris"), (9, 9, "paris")),
        ("Prague", (0, 0, "prague"), (9, 9, "prague")),
    ],
)
def test_networks(network: str, before: tuple[int, int, str], after: tuple[int, int, str]) -> None:
    config = network_config(network)
    for number, timestamp, fork in (before, after):
        assert config.fork(number, timestamp, paris=True) == fork


def entry(target: int) -> dict[str, str]:
    return {"target": hex(target), "max": hex(target + 1), "baseFeeUpdateFraction": "0x1000000"}


def test_blob_schedules_of_networks() -> None:
    stated = {"blobSchedule": {"Prague": entry(1), "BPO1": entry(2), "BPO3": entry(3)}}
    config = network_config("BPO3ToAmsterdamAtTime15k", stated)
    targets = {fork: schedule.target for fork, _ in TIMED_FORKS if (schedule := config.blob_schedule(fork)) is not None}
    assert targets == {"cancun": 3, "prague": 1, "osaka": 1, "bpo1": 2, "bpo2": 2, "bpo3": 3} | dict.fromkeys(
        ("bpo4", "bpo5", "amsterdam"), 3
    )
    assert "bpo2Time" not in config.document
    assert network_config("BPO2").blob_schedule("bpo2") == BlobSchedule(14, 21, 11684671)  # mainnet's


@pytest.mark.parametrize("stated", [None, {"blobSchedule": {"Prague": entry(1)}}])
def test_a_fork_of_the_schedule_alone_needs_its_entry(stated: Any) -> None:
    with pytest.raises(FixtureError, match="no entry for bpo3"):
        network_config("BPO3", stated)


def test_network_by_difficulty() -> None:
    config = network_config("ArrowGlacierToParisAtDiffC0000")
    assert config.document["terminalTotalDifficulty"] == 0xC0000
    assert config.fork(3, 0, paris=False) == "arrow_glacier"


@pytest.mark.parametrize("network", ["", "Atlantis", "PragueToCancunAtTime15k", "CancunToPragueAtTimeXk", "ToAt5"])
def test_unknown_networks(network: str) -> None:
    with pytest.raises(FixtureError):
        network_config(network)


@FUZZ
@given(network=st.text(max_size=40), stated=json_values)
def test_any_network_gives_a_config_or_an_error(network: str, stated: Any) -> None:
    for name in (network, "Prague"):
        with contextlib.suppress(FixtureError):
            network_config(name, stated)


# Tests


def test_engine_payloads_give_the_blocks_of_the_blockchain_tests() -> None:
    """The suites hold the same tests twice; transactions, withdrawals, requests and roots must come out alike."""
    folder = real_data("eest")
    compared = 0
    for path in fixture_files(folder / "blockchain_tests")[::3]:
        twin = folder / "blockchain_tests_engine" / path.relative_to(folder / "blockchain_tests")
        if not twin.exists():
            continue
        payloads = {test.name.replace("blockchain_test_engine", "blockchain_test"): test for test in load_tests(twin)}
        for test in load_tests(path):
            other = payloads.get(test.name)
            if other is None:
                continue
            assert other.genesis == test.genesis
            for block, payload in zip(test.blocks, other.blocks, strict=True):
                assert (payload.exception is None) == (block.exception is None)
                assert block_hash(payload.encoded) == payload.stated_hash
                assert payload.encoded == block.encoded
                compared += 1
    assert compared > 200


def test_stated_hashes_are_those_of_the_blocks() -> None:
    folder = real_data("ethereum_tests")
    checked = 0
    for path in fixture_files(folder / "BlockchainTests" / "ValidBlocks")[::5]:
        for test in load_tests(path):
            for block in test.blocks:
                if block.exception is None:
                    assert block_hash(block.encoded) == block.stated_hash
                    checked += 1
    assert checked > 50


def test_document_without_tests(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("[1]")
    (tmp_path / "other.json").write_text('{"a": {"b": 1}}')
    for name in ("index.json", "other.json"):
        with pytest.raises(NotFixtureError, match=name):
            list(load_tests(tmp_path / name))


def test_hidden_folders_are_left_out(tmp_path: Path) -> None:
    for folder in (".meta", "suite"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test.json.gz").write_bytes(b"")
    assert fixture_files(tmp_path) == [tmp_path / "suite" / "test.json.gz"]


@FUZZ
@given(document=st.dictionaries(st.sampled_from(TEST_KEYS), json_values))
def test_any_test_document_gives_a_test_or_an_error(document: Any) -> None:
    for parse in (parse_blockchain_test, parse_engine_test):
        with contextlib.suppress(FixtureError):
            parse("name", document)


@FUZZ
@given(data=st.data())
def test_damaged_real_shape_gives_a_test_or_an_error(data: st.DataObject) -> None:
    header = {
        "parentHash": "0x" + "00" * 32,
        "uncleHash": "0x" + "00" * 32,
        "coinbase": "0x" + "00" * 20,
        "stateRoot": "0x" + "00" * 32,
        "transactionsTrie": "0x" + "00" * 32,
        "receiptTrie": "0x" + "00" * 32,
        "bloom": "0x" + "00" * 256,
        **dict.fromkeys(("difficulty", "number", "gasLimit", "gasUsed", "timestamp"), "0x00"),
        "extraData": "0x",
        "mixHash": "0x" + "00" * 32,
        "nonce": "0x" + "00" * 8,
    }
    test: dict[str, Any] = {"network": "Berlin", "pre": {}, "genesisBlockHeader": header, "blocks": [{"rlp": "0xc0"}]}
    assert len(parse_blockchain_test("whole", test).genesis.header_fields) == 15
    target = data.draw(st.sampled_from([test, header]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(json_values)
    with contextlib.suppress(FixtureError):
        parse_blockchain_test("damaged", test)


@given(data=st.binary(max_size=60))
def test_any_bytes_are_json_or_an_error(data: bytes) -> None:
    with contextlib.suppress(FixtureError):
        parse_json(data)
    with contextlib.suppress(FixtureError):
        parse_fixtures(data)


def test_documents_that_nest_too_deep_and_numbers_that_are_too_large() -> None:
    for parse in (parse_json, parse_fixtures):
        with pytest.raises(FixtureError, match="not JSON"):
            parse(b"[" * 100_000)
    with pytest.raises(FixtureError, match="is not a number"):
        quantity(parse_fixtures(b"58750000000000000000000"), "difficulty")
    assert quantity(parse_json(b"58750000000000000000000"), "difficulty") == 58_750_000_000_000_000_000_000


@given(data=st.binary(max_size=120))
def test_block_hash_of_anything(data: bytes) -> None:
    found = block_hash(data)
    assert found is None or found == decode_header(rlp.encode(rlp.decode(data)[0])).hash


def test_values() -> None:
    assert [quantity(value, "x") for value in ("0x00ff", "255", 255, "0x")] == [255, 255, 255, 0]
    assert octets("0xAbcd", "x") == octets("abcd", "x") == b"\xab\xcd"
    for wrong in ("0xf g", "ff ff", 5, None, True, "0x_1"):
        with pytest.raises(FixtureError):
            octets(wrong, "x")
    for number in ("", "ten", 1.5, None, True, -1, 1 << 256):
        with pytest.raises(FixtureError):
            quantity(number, "x")


def test_constantinople_is_not_petersburg_to_geth() -> None:
    # geth: `IsPetersburg` where petersburgBlock is absent and Constantinople is active.
    assert network_config("Constantinople").document["petersburgBlock"] > 1 << 32
    assert network_config("ConstantinopleFix").document["petersburgBlock"] == 0
    assert "petersburgBlock" not in network_config("Byzantium").document
