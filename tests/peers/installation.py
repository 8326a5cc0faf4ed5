"""Whether the peers are here: `make peers` installs them below this folder."""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GETH = HERE / "geth-node" / "bin" / "geth"
EVM = HERE / "geth-node" / "bin" / "evm"
LODESTAR = HERE / "lodestar-node" / "node_modules" / "@chainsafe" / "lodestar" / "lib" / "index.js"


def require_geth() -> Path:
    """The path of the geth that the tests run; skips where it was not built, fails in CI."""
    return _require(GETH, "geth is not built (make peers, needs Go)")


def require_evm() -> Path:
    """The path of geth's `evm`; skips where it was not built, fails in CI."""
    return _require(EVM, "geth's evm is not built (make peers, needs Go)")


def require_lodestar() -> Path:
    """The path of Lodestar's command; skips where it was not installed, fails in CI."""
    return _require(LODESTAR, "Lodestar is not installed (make peers, needs Node)")


def _require(path: Path, reason: str) -> Path:
    if not path.is_file():
        if os.environ.get("CI"):
            raise RuntimeError(f"in CI every peer must be there: {reason}")
        pytest.skip(reason)
    return path
