"""What the blocks of a campaign reached, told from their features (see the embedded executor's `trail`)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .instructions import names, operations
from .values import at_least, precompiles


@dataclass
class Coverage:
    """Features that were met, and how often blocks of each fork, type and label came."""

    features: set[str] = field(default_factory=set)
    forks: Counter[str] = field(default_factory=Counter)
    kinds: Counter[int] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)

    def add(self, features: Iterable[str]) -> tuple[str, ...]:
        """Those that are new, sorted."""
        new = tuple(sorted(set(features) - self.features))
        self.features.update(new)
        return new

    def report(self) -> dict[str, Any]:
        """In figures, for people and programs."""
        known = names()
        opcodes = {int(each[3:], 16) for each in self.features if each.startswith("op:")}
        defined = self._defined(known)
        called = {int(each.split(":")[1], 16) for each in self.features if each.startswith("precompile:")}
        by_kind = Counter(each.partition(":")[0] for each in self.features)
        return {
            "forks": dict(sorted(self.forks.items())),
            "transaction_types": {str(kind): count for kind, count in sorted(self.kinds.items())},
            "opcodes": {
                "reached": len(opcodes & defined.keys()),
                "defined": len(defined),
                "missing": sorted(name for code, name in defined.items() if code not in opcodes),
                "undefined_reached": len(opcodes - known.keys()),
            },
            "precompiles": {
                "called": [f"0x{number:02x}" for number in sorted(called)],
                "missing": [f"0x{number:02x}" for number in sorted(self._precompiles() - called)],
                "outcomes": by_kind["precompile"],
            },
            "opcode_pairs": by_kind["pair"],
            "operand_sizes": by_kind["in"],
            "exceptional_halts": by_kind["halt"],
            "reasons_not_to_include": by_kind["refused"],
            "header_faults": len({each.split(":")[1] for each in self.features if each.startswith("header:")}),
            "on_purpose_invalid": sum(count for label, count in self.labels.items() if label),
        }

    def _defined(self, known: dict[int, str]) -> dict[int, str]:
        """The instructions of the newest fork that there were blocks of."""
        later = {each.code for each in operations("osaka")}
        now = {each.code for fork in self.forks for each in operations(fork)}
        return {code: name for code, name in known.items() if code not in later or code in now}

    def _precompiles(self) -> set[int]:
        numbers: set[int] = set()
        for fork in self.forks:
            last = 0x11 if at_least(fork, "prague") else 0x0A if at_least(fork, "cancun") else 0x09
            numbers |= {int.from_bytes(each, "big") for each in precompiles(fork)} & set(range(1, last + 1))
            numbers |= {0x100} if at_least(fork, "osaka") else set()
        return numbers
