"""Who plays which part, and that the sidecar reads the configuration that is written for it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from verifier.app.sidecar import Addresses
from verifier.configuration.reading import read_configuration
from verifier.demo.errors import DemoError
from verifier.demo.genesis import private_genesis
from verifier.demo.setting import BEACON_HOLD, Cast, Clients, cast, write_configuration
from verifier.executors.stateless.manifest import Manifest


def manifests(*names: str) -> list[Manifest]:
    return [Manifest(name, name, "for tests", ("paris",), Path(), ("true",)) for name in names]


@pytest.mark.parametrize(
    ("available", "executor", "live", "late"),
    [
        (("eels", "ethereumjs", "ethrex", "geth", "pyevm", "revm"), "geth", ("ethereumjs", "ethrex", "revm"),
         ("eels", "geth", "pyevm")),
        (("eels", "geth", "pyevm", "revm"), "pyevm", ("geth", "revm"), ("eels", "pyevm")),
        (("eels", "pyevm"), "geth", ("eels", "pyevm"), ()),
        (("eels", "pyevm"), "pyevm", ("eels",), ("pyevm",)),
        (("eels", "pyevm", "revm"), "geth", ("eels", "pyevm", "revm"), ()),
    ],
)  # fmt: skip
def test_the_parts(available: Sequence[str], executor: str, live: tuple[str, ...], late: tuple[str, ...]) -> None:
    assert cast(manifests(*available), executor) == Cast(live, late)


def test_nobody_to_object() -> None:
    with pytest.raises(DemoError, match="another lineage"):
        cast(manifests("pyevm"), "pyevm")


def test_the_configuration(tmp_path: Path) -> None:
    secret = tmp_path / "execution.jwt"
    secret.write_text("5e" * 32)
    clients = Clients("geth-node", "geth", "http://127.0.0.1:8551", secret, "http://127.0.0.1:5052")
    genesis = private_genesis("osaka", 1_700_000_000)
    path = write_configuration(tmp_path, clients, Cast(("revm", "ethrex"), ("eels",)), genesis)
    values = read_configuration(path).values
    assert (values.execution.name, values.execution.url, values.execution.jwt_secret_file) == (
        "geth-node",
        "http://127.0.0.1:8551",
        secret,
    )
    assert (values.adapters.live, values.adapters.late) == (("revm", "ethrex"), ("eels",))
    assert (values.beacon.hold_seconds, values.engine.listen.port) == (BEACON_HOLD, 0)
    assert values.chain.genesis == tmp_path / "genesis.json"
    assert values.disputes.enabled
    assert values.disputes.evidence == tmp_path / "evidence"


def test_started_again_it_answers_where_it_did(tmp_path: Path) -> None:
    secret = tmp_path / "execution.jwt"
    secret.write_text("5e" * 32)
    clients = Clients("geth-node", "geth", "http://127.0.0.1:8551", secret, "http://127.0.0.1:5052")
    parts, genesis = Cast(("revm", "ethrex"), ()), private_genesis("osaka", 1_700_000_000)
    write_configuration(tmp_path, clients, parts, genesis)
    known = (tmp_path / "consensus.jwt").read_text()
    before = Addresses("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3/")
    values = read_configuration(write_configuration(tmp_path, clients, parts, genesis, before)).values
    assert (values.engine.listen.port, values.beacon.listen.port) == (1, 2)
    assert values.telemetry.listen is not None
    assert values.telemetry.listen.port == 3
    assert (tmp_path / "consensus.jwt").read_text() == known
