"""`verifier demo` with a real geth node as the execution client."""

from pathlib import Path

from tests.end_to_end.test_demo import run_demo
from tests.peers.installation import require_geth


def test_with_geth(tmp_path: Path) -> None:
    erring = run_demo(tmp_path, "--geth", str(require_geth()))
    # Its values are right, and its word is not the root over them: it may have changed what nobody knows to ask for.
    assert "only this is known to differ: state_root" in erring["dispute"]["localized"]
