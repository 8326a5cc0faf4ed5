"""Recorders under test, and the sample chain as a test that they record."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
import rlp

from verifier.app import configured_adapters
from verifier.domain.conformance import CaseName, ReasonClass
from verifier.executors.stateless.manifest import Manifest, select
from verifier.services.conformance.case import Case, CaseBlock
from verifier.services.conformance.loaders.genesis import load_genesis
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from verifier.services.conformance.recorders.client import ClientRecorder
from verifier.services.conformance.recorders.embedded import EmbeddedRecorder

CHAIN = Path(__file__).parents[5] / "fixtures" / "chain"
AnyRecorder = EmbeddedRecorder | ClientRecorder


def geth_manifest() -> Manifest:
    """geth's; skips where it is not built."""
    (manifest,) = select(configured_adapters(), ["geth"])
    unavailable = manifest.unavailable_because()
    if unavailable is not None:
        pytest.skip(f"the geth adapter: {': '.join(unavailable)}")
    return manifest


def of_reason(client: str, reason: str | Sequence[str]) -> frozenset[ReasonClass]:
    """Classes enough to see that they were asked for."""
    assert client in ("geth", "pyevm")
    if not isinstance(reason, str):
        return frozenset({ReasonClass.RESULT})
    return frozenset({ReasonClass.PARENT if reason == "parent" else ReasonClass.HEADER})


def open_recorder(name: str) -> AnyRecorder:
    """A recorder by its client's name; a context. Skips where it is not built."""
    if name == "geth":
        return ClientRecorder(geth_manifest(), of_reason=of_reason)
    return EmbeddedRecorder(of_reason=of_reason)


@cache
def sample_blocks() -> tuple[bytes, ...]:
    return tuple(load_blocks(CHAIN / "chain.rlp"))


def sample_case(*blocks: CaseBlock) -> Case:
    """Blocks on the sample chain's genesis."""
    return Case(CaseName("chain", "sample", "Shanghai", "chain"), blocks, load_genesis(CHAIN / "genesis.json"))


def changed(block: bytes, **fields: bytes) -> bytes:
    """The block with header fields changed: `state_root`, `timestamp`, `gas_used`."""
    items = list(rlp.decode(block))
    header = list(items[0])
    for name, value in fields.items():
        header[{"state_root": 3, "gas_used": 10, "timestamp": 11}[name]] = value
    return bytes(rlp.encode([header, *items[1:]]))
