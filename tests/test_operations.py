"""What operators read is of this version: alarms, metrics, configuration keys and commands are those that there are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from verifier.cli.main import COMMANDS
from verifier.configuration.sections import KEYS, SECTIONS
from verifier.domain.gate import GateMode
from verifier.domain.quorum import quorum_policy
from verifier.telemetry.metrics import Metrics
from verifier.telemetry.profile import Profile

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs" / name for name in ("operations.md", "sidecar.md", "threat-model.md", "remote.md")]
RAISING = ("Alarm", "_alarm")  # the event, and the methods that raise one by name


def alarms() -> Iterator[str]:
    """Names of alarms in the source, those with a variable part as far as it is fixed."""
    for path in (ROOT / "verifier").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            function = node.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            first = node.args[0]
            if name in RAISING and isinstance(first, ast.Constant):
                yield str(first.value)
            elif name in RAISING and isinstance(first, ast.JoinedStr) and isinstance(first.values[0], ast.Constant):
                yield str(first.values[0].value)


def test_every_alarm_is_explained() -> None:
    text = PAGES[0].read_text()
    assert [name for name in sorted(set(alarms())) if f"| `{name}" not in text] == []


def test_metrics_are_those_that_there_are() -> None:
    metrics = Metrics(Profile(GateMode.MONITOR, quorum_policy({"geth": "geth"})))
    # Counters are read with a suffix, histograms are named without one.
    known = {name for metric in metrics.registry.collect() for name in (metric.name, f"{metric.name}_total")}
    named = {name for page in PAGES for name in re.findall(r"\bverifier_[a-z_]+", page.read_text())}
    assert named
    assert named - known == set()


def test_configuration_keys_are_those_that_there_are() -> None:
    known = {(key.section, key.name) for key in KEYS}
    pattern = re.compile(rf"`(?:\[({'|'.join(SECTIONS)})\] |({'|'.join(SECTIONS)})\.)([a-z_]+)")
    named = {(first or second, name) for page in PAGES for first, second, name in pattern.findall(page.read_text())}
    named.discard(("execution", "jwt"))  # a file
    assert named
    assert named - known == set()


def test_commands_are_those_that_there_are() -> None:
    pages = [*PAGES, ROOT / "README.md"]
    named = {name for page in pages for name in re.findall(r"(?:`|bin/)verifier ([a-z]+)", page.read_text())}
    assert named - set(COMMANDS) == set()
