"""Forks at the known activation blocks of mainnet and Holesky, blob schedules, and configs that are none."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.witness.examples import CHAIN_CONFIG, header_rlp
from tests.witness.real_data import real_blocks
from witness.chain_config import (
    FORKS,
    KNOWN_CHAINS,
    BlobSchedule,
    ChainConfig,
    encode_chain_config,
    known_chain_config,
    parse_chain_config,
)
from witness.errors import ChainConfigError
from witness.formats import load
from witness.formats.loading import read_document
from witness.header import decode_block_header, decode_header

MAINNET = parse_chain_config(known_chain_config(1))
HOLESKY = parse_chain_config(known_chain_config(17000))

# First block of each fork on mainnet and its timestamp: go-ethereum params.MainnetChainConfig, execution-specs.
MAINNET_FORKS = [
    ("frontier", 1, 1438269988),
    ("homestead", 1150000, 1457981393),
    ("dao", 1920000, 1469020840),
    ("tangerine_whistle", 2463000, 1476796771),
    ("spurious_dragon", 2675000, 1479831344),
    ("byzantium", 4370000, 1508131331),
    ("petersburg", 7280000, 1551383524),
    ("istanbul", 9069000, 1575764709),
    ("muir_glacier", 9200000, 1577953849),
    ("berlin", 12244000, 1618481223),
    ("london", 12965000, 1628166822),
    ("arrow_glacier", 13773000, 1639079723),
    ("gray_glacier", 15050000, 1656586444),
    ("paris", 15537394, 1663224179),
    ("shanghai", 17034870, 1681338455),
    ("cancun", 19426587, 1710338135),
    ("prague", 22431084, 1746612311),
    ("osaka", 23935694, 1764798551),
    ("bpo1", 23975796, 1765290071),
    ("bpo2", 24179383, 1767747671),
]
HOLESKY_FORKS = [  # timestamps
    ("paris", 1696000703),
    ("shanghai", 1696000704),
    ("cancun", 1707305664),
    ("prague", 1740434112),
    ("osaka", 1759308480),
    ("bpo1", 1759800000),
    ("bpo2", 1760389824),
]


@pytest.mark.parametrize(("fork", "number", "timestamp"), MAINNET_FORKS)
def test_mainnet_forks_begin_at_their_blocks(fork: str, number: int, timestamp: int) -> None:
    paris = FORKS.index(fork) >= FORKS.index("paris")
    assert MAINNET.fork(number, timestamp, paris=paris) == fork
    header = decode_header(header_rlp(number=number, timestamp=timestamp, difficulty=0 if paris else 1))
    assert MAINNET.fork_at(header) == fork


@pytest.mark.parametrize("index", range(1, len(MAINNET_FORKS)))
def test_mainnet_forks_do_not_begin_earlier(index: int) -> None:
    earlier, (_, number, timestamp) = MAINNET_FORKS[index - 1][0], MAINNET_FORKS[index]
    paris = FORKS.index(earlier) >= FORKS.index("paris")
    assert MAINNET.fork(number - 1, timestamp - 1, paris=paris) == earlier


@pytest.mark.parametrize(("fork", "timestamp"), HOLESKY_FORKS)
def test_holesky_forks(fork: str, timestamp: int) -> None:
    """Holesky has no block numbers for its forks but 0: the first one after the genesis is Paris."""
    assert HOLESKY.fork(1, timestamp, paris=True) == fork


@pytest.mark.parametrize("path", real_blocks(), ids=lambda path: path.name)
def test_real_blocks_are_of_the_fork_that_their_source_names(path: Path) -> None:
    document = json.loads(read_document(path))
    if "fork" not in document:
        pytest.skip("zkpig's document names no fork")
    (content,) = load(path)
    config = parse_chain_config(content.chain_config)
    fork = config.fork_at(decode_block_header(content.block))
    assert fork.replace("_", "") == document["fork"].lower()  # there "TangerineWhistle"


def test_forks_are_known_by_the_contracts_names() -> None:
    contract = (Path(__file__).parents[2] / "adapters" / "CONTRACT.md").read_text()
    listed = contract.split("Fork names: `")[1].split("`")[0].split()
    assert tuple(listed) == FORKS


def test_known_chains_are_canonical_and_of_their_id() -> None:
    for chain_id in KNOWN_CHAINS:
        encoded = known_chain_config(chain_id)
        config = parse_chain_config(encoded)
        assert config.chain_id == chain_id
        assert encode_chain_config(config.document) == encoded
    with pytest.raises(ChainConfigError, match=r"chain 5 .* Known: 1 \(mainnet\)"):
        known_chain_config(5)


@pytest.mark.parametrize(
    ("fork", "schedule"),
    [
        ("shanghai", None),
        ("cancun", BlobSchedule(3, 6, 3338477)),
        ("prague", BlobSchedule(6, 9, 5007716)),
        ("osaka", BlobSchedule(6, 9, 5007716)),
        ("bpo1", BlobSchedule(10, 15, 8346193)),
        ("bpo2", BlobSchedule(14, 21, 11684671)),
        ("amsterdam", BlobSchedule(14, 21, 11684671)),
    ],
)
def test_mainnet_blob_schedule(fork: str, schedule: BlobSchedule | None) -> None:
    assert MAINNET.blob_schedule(fork) == schedule


CANCUN, PRAGUE, OTHER = BlobSchedule(3, 6, 3338477), BlobSchedule(6, 9, 5007716), BlobSchedule(1, 2, 3)
ENTRY = {"target": 1, "max": 2, "baseFeeUpdateFraction": 3}


@pytest.mark.parametrize(
    ("times", "entries", "fork", "schedule"),
    [
        ((), (), "cancun", CANCUN),  # EIP-4844
        ((), (), "prague", PRAGUE),  # EIP-7691
        ((), (), "osaka", PRAGUE),
        ((), ("cancun",), "cancun", OTHER),
        (("cancun",), ("cancun",), "prague", PRAGUE),  # Cancun's entry is not Prague's
        (("cancun", "prague"), ("prague",), "osaka", OTHER),
        (("osaka",), ("osaka",), "osaka", OTHER),
        (("prague",), ("osaka",), "bpo2", PRAGUE),  # an entry for a fork that the chain does not have
        (("osaka", "bpo2"), ("bpo2",), "bpo2", OTHER),
        (("osaka", "bpo2"), ("bpo2",), "bpo1", PRAGUE),
        (("osaka", "bpo1"), ("bpo1",), "amsterdam", OTHER),
        (("bpo1",), ("bpo1",), "shanghai", None),
    ],
)
def test_blob_schedule_in_force(
    times: tuple[str, ...], entries: tuple[str, ...], fork: str, schedule: BlobSchedule | None
) -> None:
    document: dict[str, Any] = {"chainId": 7, "blobSchedule": dict.fromkeys(entries, ENTRY)}
    document |= {f"{name}Time": 0 for name in times}
    assert ChainConfig(7, document).blob_schedule(fork) == schedule


def test_a_fork_of_the_schedule_alone_needs_an_entry() -> None:
    config = ChainConfig(7, {"chainId": 7, "bpo1Time": 0, "bpo2Time": 9, "blobSchedule": {"bpo1": ENTRY}})
    assert config.blob_schedule("bpo1") == OTHER
    for fork in ("bpo2", "bpo3", "amsterdam"):
        with pytest.raises(ChainConfigError, match="no entry for bpo2"):
            config.blob_schedule(fork)


@pytest.mark.parametrize("values", [(0, 0, 1), (3, 2, 1), (1, 2, 0)])
def test_a_schedule_that_no_block_could_keep_is_refused(values: tuple[int, int, int]) -> None:
    entry = dict(zip(("target", "max", "baseFeeUpdateFraction"), values, strict=True))
    with pytest.raises(ChainConfigError, match=r"blobSchedule\.cancun"):
        ChainConfig(7, {"blobSchedule": {"cancun": entry}}).blob_schedule("cancun")


def test_the_dao_fork_needs_support() -> None:
    document = {"chainId": 1, "homesteadBlock": 5, "daoForkBlock": 10}
    assert ChainConfig(1, document).fork(10, 0, paris=False) == "homestead"
    assert ChainConfig(1, {**document, "daoForkSupport": True}).fork(10, 0, paris=False) == "dao"


def test_paris_needs_a_terminal_difficulty() -> None:
    document = {"chainId": 1, "londonBlock": 0}
    assert ChainConfig(1, document).fork(10, 0, paris=True) == "london"
    assert ChainConfig(1, {**document, "terminalTotalDifficulty": 0}).fork(10, 0, paris=True) == "paris"


def test_genesis_is_not_paris() -> None:
    config = parse_chain_config(CHAIN_CONFIG.replace(b'"shanghaiTime":0,', b""))
    assert config.fork_at(decode_header(header_rlp(number=0))) == "london"
    assert config.fork_at(decode_header(header_rlp(number=1))) == "paris"


def test_numbers_may_be_hexadecimal_text() -> None:
    config = parse_chain_config(b'{"chainId":"0x7","homesteadBlock":"0xa","shanghaiTime":"100"}')
    assert config.chain_id == 7
    assert [config.fork(number, 0, paris=False) for number in (9, 10)] == ["frontier", "homestead"]
    assert config.fork(10, 100, paris=True) == "shanghai"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"{}",
        b'{"chainId":null}',
        b'{"chainId":true}',
        b'{"chainId":"x"}',
        b'{"chainId":1.5}',
        b'{"chainId":-1}',
        b'{"chainId":1,"londonBlock":"-0x1"}',
        b'{"chainId":1,"londonBlock":[]}',
        b'{"chainId":1,"pragueTime":"soon"}',
        b'{"chainId":1,"blobSchedule":[1]}',
        b'{"chainId":1,"blobSchedule":7}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_config_is_refused(document: bytes) -> None:
    with pytest.raises(ChainConfigError):
        parse_chain_config(document)


@pytest.mark.parametrize("entry", [{}, {"target": 1, "max": "many", "baseFeeUpdateFraction": 1}, [], 7])
def test_a_wrong_blob_schedule_is_refused_when_asked_for(entry: Any) -> None:
    config = ChainConfig(1, {"chainId": 1, "blobSchedule": {"cancun": entry}})
    with pytest.raises(ChainConfigError, match=r"cancun|max"):
        config.blob_schedule("prague")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(MAINNET.document)), json_values), st.integers(0, 2**64), st.booleans())
def test_any_document_gives_a_fork_or_a_config_error(document: dict[str, Any], number: int, paris: bool) -> None:
    try:
        config = parse_chain_config(json.dumps(document).encode())
        fork = config.fork(number, number, paris=paris)
        config.blob_schedule(fork)
    except ChainConfigError:
        return
    assert fork in FORKS


@given(st.binary(max_size=60))
def test_random_bytes(junk: bytes) -> None:
    try:
        parse_chain_config(junk)
    except ChainConfigError:
        return
    assert json.loads(junk)["chainId"] is not None
