"""The private chain's genesis."""

import pytest

from verifier.demo.genesis import private_genesis
from verifier.executors.stateful.engine_versions import ENGINE_VERSIONS
from witness.chain_config import FORKS, encode_chain_config, parse_chain_config


@pytest.mark.parametrize("fork", ENGINE_VERSIONS)
def test_the_fork_is_the_first_blocks(fork: str) -> None:
    config = parse_chain_config(encode_chain_config(private_genesis(fork, 1000)["config"]))
    assert config.fork(1, 1012, paris=True) == fork
    schedule = config.blob_schedule(fork)
    assert (schedule is not None) == (FORKS.index(fork) >= FORKS.index("cancun"))


def test_every_fork_that_adds_blobs_or_methods_has_its_engine_methods() -> None:
    assert list(ENGINE_VERSIONS) == [fork for fork in FORKS if fork in ENGINE_VERSIONS]
    assert ENGINE_VERSIONS["bpo1"] == ENGINE_VERSIONS["osaka"]
