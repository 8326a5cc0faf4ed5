"""Where the public suites are, for tests that read real ones."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
DATA = ROOT.parent / "shared" / "data"
SAMPLE = ROOT / "fixtures" / "chain"


def _folder(name: str) -> Path:
    path = DATA / name
    if not path.is_dir():
        pytest.skip(f"real data is absent: ../shared/data/{name}")
    return path


def eest() -> Path:
    """Fixtures of execution-spec-tests: blocks and payloads."""
    return _folder("eest")


def ethereum_tests() -> Path:
    """BlockchainTests of ethereum/tests."""
    return _folder("ethereum_tests")


def hive() -> Path:
    """The chain of hive."""
    return _folder("hivechain")


def mainnet() -> Path:
    """Blocks of mainnet with their witnesses."""
    return _folder("mainnet")
