"""Every alarm that the code can raise is explained to who gets it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
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
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in sorted(set(alarms())) if f"| `{name}" not in text] == []
