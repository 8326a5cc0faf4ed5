"""What fixtures and clients say is wrong with a block, as classes that both can be compared by.

A fixture has one word, or alternatives with | between them, for the rule that it was made to break; the block may break
another too, which a client may find first. A client names a rule of the contract, or the verifier finds fields of the
header that differ. Words: execution-specs, `execution_testing/exceptions`; rules: proto/verifier/rpc/v1/executor.proto.
"""

import re
from collections.abc import Mapping, Sequence

from verifier.domain.conformance import ReasonClass

ENCODING, HEADER, UNCLES, BODY = ReasonClass.ENCODING, ReasonClass.HEADER, ReasonClass.UNCLES, ReasonClass.BODY
TRANSACTION, BLOCK_GAS, BLOB_GAS = ReasonClass.TRANSACTION, ReasonClass.BLOCK_GAS, ReasonClass.BLOB_GAS
REQUESTS, RESULT, PARENT, OTHER = ReasonClass.REQUESTS, ReasonClass.RESULT, ReasonClass.PARENT, ReasonClass.OTHER
Classes = frozenset[ReasonClass]
NONE: Classes = frozenset()
ALTERNATIVES = "|"


def _table(entries: Mapping[tuple[ReasonClass, ...], str]) -> dict[str, Classes]:
    return {word: frozenset(classes) for classes, words in entries.items() for word in words.split()}


BLOCK_WORDS = _table(
    {
        (ENCODING,): "RLP_BLOCK_LIMIT_EXCEEDED RLP_WITHDRAWALS_NOT_READ RLP_INVALID_ADDRESS",
        # The header or a transaction alone may be what cannot be decoded.
        (ENCODING, HEADER): "INCORRECT_BLOCK_FORMAT RLP_INVALID_FIELD_OVERFLOW_64",
        (ENCODING, HEADER, TRANSACTION): "RLP_STRUCTURES_ENCODING",
        (HEADER,): """
            EXTRA_DATA_TOO_BIG EXTRA_DATA_INVALID_DAO GASLIMIT_TOO_BIG INVALID_BLOCK_NUMBER
            INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT INVALID_DIFFICULTY INVALID_GASLIMIT INVALID_BASEFEE_PER_GAS
            INVALID_GAS_USED_ABOVE_LIMIT IMPORT_IMPOSSIBLE_PARIS_WRONG_POW IMPORT_IMPOSSIBLE_PARIS_WRONG_POS
            IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS
        """,
        # A field too few or too many; the list of withdrawals makes the body's form a matter of the fork too.
        (HEADER, ENCODING): """
            IMPORT_IMPOSSIBLE_LEGACY IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI
            IMPORT_IMPOSSIBLE_SHANGHAI
        """,
        # The block's own header, or an uncle's.
        (HEADER, ENCODING, UNCLES): "IMPORT_IMPOSSIBLE_LEGACY_WRONG_PARENT IMPORT_IMPOSSIBLE_LONDON_WRONG_PARENT",
        (UNCLES,): """
            TOO_MANY_UNCLES UNCLE_IN_CHAIN UNCLE_IS_ANCESTOR UNCLE_IS_BROTHER UNCLE_PARENT_INCORRECT
            UNCLE_UNKNOWN_PARENT IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS
        """,
        (UNCLES, BODY): "INVALID_UNCLES_HASH",
        (BODY,): "INVALID_TRANSACTIONS_ROOT INVALID_WITHDRAWALS_ROOT",
        (PARENT,): "UNKNOWN_PARENT UNKNOWN_PARENT_ZERO",
        (RESULT,): "INVALID_LOG_BLOOM INVALID_STATE_ROOT INVALID_RECEIPTS_ROOT",
        # Above the limit, or only not what was used: which, the words do not keep apart.
        (RESULT, HEADER): "INVALID_GAS_USED",
        (BLOCK_GAS, HEADER, RESULT): "GAS_USED_OVERFLOW",
        (BLOB_GAS,): "BLOB_GAS_USED_ABOVE_LIMIT INCORRECT_BLOB_GAS_USED INCORRECT_EXCESS_BLOB_GAS",
        (REQUESTS,): """
            INVALID_REQUESTS INVALID_DEPOSIT_EVENT_LAYOUT SYSTEM_CONTRACT_EMPTY SYSTEM_CONTRACT_CALL_FAILED
        """,
        (REQUESTS, OTHER): "SYSTEM_CONTRACT_ADDRESS_OCCUPIED",
        (BODY, RESULT): """
            INVALID_BLOCK_ACCESS_LIST INVALID_BAL_HASH INCORRECT_BLOCK_ACCESS_LIST_HASH
            BLOCK_ACCESS_LIST_GAS_LIMIT_EXCEEDED
        """,
        # The payload is not the block's: nobody executes it.
        (OTHER,): "INVALID_BLOCK_HASH INVALID_VERSIONED_HASHES",
    }
)
# Of a transaction that may not be in a block: its own, or one that cannot be decoded, with which the block cannot be.
TRANSACTION_WORDS = _table(
    {
        (TRANSACTION,): """
            SENDER_NOT_EOA NONCE_MISMATCH_TOO_HIGH NONCE_MISMATCH_TOO_LOW NONCE_TOO_BIG NONCE_IS_MAX
            GASLIMIT_PRICE_PRODUCT_OVERFLOW INVALID_CHAINID EC_RECOVERY_FAIL INSUFFICIENT_ACCOUNT_FUNDS
            INSUFFICIENT_MAX_FEE_PER_GAS PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2
            INSUFFICIENT_MAX_FEE_PER_BLOB_GAS INTRINSIC_GAS_TOO_LOW INTRINSIC_GAS_BELOW_FLOOR_GAS_COST
            INITCODE_SIZE_EXCEEDED TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH TYPE_3_TX_ZERO_BLOBS
            TYPE_4_EMPTY_AUTHORIZATION_LIST GAS_LIMIT_EXCEEDS_MAXIMUM
        """,
        (TRANSACTION, ENCODING): """
            TYPE_NOT_SUPPORTED ADDRESS_TOO_SHORT ADDRESS_TOO_LONG NONCE_OVERFLOW GASLIMIT_OVERFLOW VALUE_OVERFLOW
            GASPRICE_OVERFLOW PRIORITY_OVERFLOW INVALID_SIGNATURE_VRS RLP_INVALID_SIGNATURE_R RLP_INVALID_SIGNATURE_S
            RLP_LEADING_ZEROS_GASLIMIT RLP_LEADING_ZEROS_GASPRICE RLP_LEADING_ZEROS_VALUE RLP_LEADING_ZEROS_NONCE
            RLP_LEADING_ZEROS_R RLP_LEADING_ZEROS_S RLP_LEADING_ZEROS_V RLP_LEADING_ZEROS_BASEFEE
            RLP_LEADING_ZEROS_PRIORITY_FEE RLP_LEADING_ZEROS_DATA_SIZE RLP_LEADING_ZEROS_NONCE_SIZE
            RLP_TOO_FEW_ELEMENTS RLP_TOO_MANY_ELEMENTS RLP_ERROR_EOF RLP_ERROR_SIZE RLP_ERROR_SIZE_LEADING_ZEROS
            RLP_INVALID_DATA RLP_INVALID_GASLIMIT RLP_INVALID_NONCE RLP_INVALID_TO RLP_INVALID_HEADER RLP_INVALID_VALUE
            RLP_INVALID_ACCESS_LIST_ADDRESS_TOO_LONG RLP_INVALID_ACCESS_LIST_ADDRESS_TOO_SHORT
            RLP_INVALID_ACCESS_LIST_STORAGE_TOO_LONG RLP_INVALID_ACCESS_LIST_STORAGE_TOO_SHORT
            TYPE_1_TX_PRE_FORK TYPE_2_TX_PRE_FORK TYPE_3_TX_PRE_FORK TYPE_3_TX_ZERO_BLOBS_PRE_FORK TYPE_4_TX_PRE_FORK
            TYPE_3_TX_WITH_FULL_BLOBS TYPE_3_TX_CONTRACT_CREATION TYPE_4_TX_CONTRACT_CREATION
            TYPE_4_INVALID_AUTHORITY_SIGNATURE TYPE_4_INVALID_AUTHORITY_SIGNATURE_S_TOO_HIGH
            TYPE_4_INVALID_AUTHORIZATION_FORMAT
        """,
        (BLOCK_GAS,): "GAS_ALLOWANCE_EXCEEDED",
        (TRANSACTION, BLOB_GAS): "TYPE_3_TX_BLOB_COUNT_EXCEEDED TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED",
        (RESULT,): "LOG_MISMATCH",
    }
)
# As retesteth called them, in suites from before 2024. Its words for a header are those for an uncle's header too. Who
# cannot see what is wrong with an uncle (where its parent is, its proof of work) finds that the block's state root is
# the one without it; the same goes for a block that claims a proof of stake, and has the miner's reward in its root.
LEGACY_WORDS = _table(
    {
        (HEADER, UNCLES, RESULT): """
            InvalidNumber InvalidGasLimit InvalidGasLimit2 InvalidTimestamp InvalidTimestampOlderParent
            InvalidDifficulty InvalidBlockNonce InvalidGasUsed ExtraDataTooBig 3675PoSBlockRejected
        """,
        (HEADER, UNCLES, BLOCK_GAS, RESULT): "TooMuchGasUsed",
        (HEADER, UNCLES, ENCODING, RESULT): """
            ExtraDataIncorrectDAO 3675PreParis1559BlockRejected 3675PoWBlockRejected
            1559BlockImportImpossible_BaseFeeWrong 1559BlockImportImpossible_HeaderIsLegacy LegacyBlockImportImpossible
            LegacyBlockImportImpossible2
        """,
        (UNCLES, RESULT): """
            InvalidUncleParentHash UncleInChain UncleIsAncestor UncleIsBrother UncleParentIsNotAncestor UncleTooOld
        """,
        (UNCLES, BODY): "InvalidUnclesHash PostParisUncleHashIsNotEmpty",
        (BODY,): "InvalidTransactionsRoot",
        (PARENT,): "UnknownParent",
        (RESULT,): "InvalidStateRoot InvalidReceiptsStateRoot InvalidLogBloom",
        (TRANSACTION,): """
            TR_IntrinsicGas TR_NoFunds TR_NoFundsOrGas TR_NonceTooLow TR_FeeCapLessThanBlocks SenderNotEOAorNoCASH
        """,
        (TRANSACTION, ENCODING): "TR_TypeNotSupported",
        (TRANSACTION, BLOCK_GAS): "TR_GasLimitReached TR_FeeCapLessThanBlocksORGasLimitReached",
        (ENCODING, HEADER, TRANSACTION): "RLP_ExpectedAsList INPUT_UNMARSHAL_ERROR",
    }
)
WORDS = {f"BlockException.{word}": classes for word, classes in BLOCK_WORDS.items()}
WORDS |= {f"TransactionException.{word}": classes for word, classes in TRANSACTION_WORDS.items()}
WORDS |= LEGACY_WORDS
# Of a payload that is refused as such (execution-apis, `engine/common.md`): before anybody looks at the block.
ERROR_CODE = re.compile(r"Engine API error -\d+")

# The contract's rules, for every client that names one.
RULES = _table(
    {
        (HEADER,): """
            header_fields number timestamp gas_limit gas_used base_fee extra_data difficulty nonce proof_of_work
        """,
        (UNCLES,): "uncles_hash uncles",
        (BLOB_GAS,): "excess_blob_gas blob_gas_used",
        (ENCODING,): "block_encoding block_size",
        (BODY,): "transactions_root withdrawals_root",
        (TRANSACTION,): "transaction",
        (BLOCK_GAS,): "block_gas",
        (REQUESTS,): "system_contract deposit_requests",
        (PARENT,): "parent",  # of recorders: it is not known
        (OTHER,): "other block_hash",  # of recorders: not the one stated
    }
)
# Header fields that a client computes otherwise.
FIELDS = _table(
    {
        (RESULT,): "state_root receipts_root logs_bloom gas_used",
        (BODY,): "transactions_root withdrawals_root",
        (BLOB_GAS,): "blob_gas_used",
        (REQUESTS,): "requests_hash",
        (BODY, RESULT): "block_access_list_hash",
    }
)


def classes_of_exception(word: str) -> Classes:
    """What a fixture's word means, with | between alternatives. Empty if none of them is known: `unknown_words`."""
    return frozenset().union(*(_classes_of_word(each) for each in word.split(ALTERNATIVES)))


def unknown_words(word: str) -> tuple[str, ...]:
    """Those of the alternatives that no table has, by name."""
    return tuple(each.strip() for each in word.split(ALTERNATIVES) if not _classes_of_word(each))


def _classes_of_word(word: str) -> Classes:
    word = word.strip()
    if ERROR_CODE.fullmatch(word):
        return frozenset({OTHER})
    return WORDS.get(word, NONE)


def classes_of_reason(client: str, said: str | Sequence[str]) -> Classes:
    """What a client's reason means. said: a rule of the contract, or the header's fields that differ.

    Empty for what no table has.
    """
    if not isinstance(said, str):
        return frozenset().union(*(FIELDS.get(each, NONE) for each in said))
    own = CLIENT_RULES.get(client, {}).get(said)
    return own or RULES.get(said, NONE)


# Where a client's name for a rule means something else than everybody's. Found by running it; each with its reason.
CLIENT_RULES: dict[str, dict[str, Classes]] = {
    # From Paris on its blocks have no place for uncles: one that has some cannot be decoded.
    "pyevm": {"block_encoding": frozenset({ENCODING, UNCLES})},
    # It checks uncles, and their headers, where it decodes a block.
    "ethereumjs": {"block_encoding": frozenset({ENCODING, UNCLES})},
    # Prices and amounts are of 128 bits: a transaction with larger ones, which nobody can pay, cannot be decoded.
    "revm": {"block_encoding": frozenset({ENCODING, TRANSACTION})},
}
