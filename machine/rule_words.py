"""Which rule py-evm means: it raises one ValidationError for all of them, and only its words tell.

The pinned version fixes the words and tests pin them. Rules have the names of the adapters' contract. Source: py-evm's
`VM.validate_header`, `Withdrawal`.
"""

OTHER = "other"
# A part of each message, and the rule.
RULES = (
    ("BlockHeader.extra_data", "extra_data"),
    ("The gas limit", "gas_limit"),
    ("is above the gas limit", "gas_used"),
    ("Header has invalid base fee per gas", "base_fee"),
    ("Blocks must be numbered consecutively", "number"),
    ("timestamp must be strictly later", "timestamp"),
    ("Header timestamp", "timestamp"),
    ("Difficulty must be", "difficulty"),
    ("Nonce must be", "nonce"),
    ("Uncles hash must be", "uncles_hash"),
    ("extra data", "extra_data"),
    ("on the wrong side of the DAO fork", "extra_data"),
    ("exceeds maximum uint64", "block_encoding"),
)


def rule_of(words: str) -> str:
    """The rule that a message is about; "other" where it is not known."""
    return next((rule for part, rule in RULES if part in words), OTHER)
