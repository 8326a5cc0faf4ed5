"""Whose EVM and state code is inside an execution client, whatever its name: by what it says it is."""

# Two-letter codes (execution-apis, `engine/identification.md`) → engine lineage.
LINEAGES = {
    "BU": "besu",
    "EG": "geth",  # Erigon's EVM began as geth's
    "EJ": "ethereumjs",
    "EX": "ethrex",
    "GE": "geth",
    "NE": "nimbus",
    "NM": "nethermind",
    "PE": "pyevm",
    "RH": "revm",
}


def lineage_of(code: object) -> str | None:
    """The engine lineage of a client by its code in the answer to engine_getClientVersionV1, if it is known."""
    return LINEAGES.get(code) if isinstance(code, str) else None
