from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_UNSPECIFIED: _ClassVar[Mode]
    MODE_PROOF: _ClassVar[Mode]
    MODE_PRESTATE: _ClassVar[Mode]

class Rule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RULE_UNSPECIFIED: _ClassVar[Rule]
    RULE_OTHER: _ClassVar[Rule]
    RULE_HEADER_FIELDS: _ClassVar[Rule]
    RULE_NUMBER: _ClassVar[Rule]
    RULE_TIMESTAMP: _ClassVar[Rule]
    RULE_GAS_LIMIT: _ClassVar[Rule]
    RULE_GAS_USED: _ClassVar[Rule]
    RULE_BASE_FEE: _ClassVar[Rule]
    RULE_EXTRA_DATA: _ClassVar[Rule]
    RULE_DIFFICULTY: _ClassVar[Rule]
    RULE_NONCE: _ClassVar[Rule]
    RULE_UNCLES_HASH: _ClassVar[Rule]
    RULE_EXCESS_BLOB_GAS: _ClassVar[Rule]
    RULE_BLOB_GAS_USED: _ClassVar[Rule]
    RULE_PROOF_OF_WORK: _ClassVar[Rule]
    RULE_BLOCK_ENCODING: _ClassVar[Rule]
    RULE_BLOCK_SIZE: _ClassVar[Rule]
    RULE_TRANSACTIONS_ROOT: _ClassVar[Rule]
    RULE_WITHDRAWALS_ROOT: _ClassVar[Rule]
    RULE_UNCLES: _ClassVar[Rule]
    RULE_TRANSACTION: _ClassVar[Rule]
    RULE_BLOCK_GAS: _ClassVar[Rule]
    RULE_SYSTEM_CONTRACT: _ClassVar[Rule]
    RULE_DEPOSIT_REQUESTS: _ClassVar[Rule]

class AbstentionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ABSTENTION_REASON_UNSPECIFIED: _ClassVar[AbstentionReason]
    ABSTENTION_REASON_WITNESS_INSUFFICIENT: _ClassVar[AbstentionReason]
    ABSTENTION_REASON_UNSUPPORTED_FORK: _ClassVar[AbstentionReason]
    ABSTENTION_REASON_TIMEOUT: _ClassVar[AbstentionReason]
    ABSTENTION_REASON_CRASHED: _ClassVar[AbstentionReason]
    ABSTENTION_REASON_REFUSED: _ClassVar[AbstentionReason]
MODE_UNSPECIFIED: Mode
MODE_PROOF: Mode
MODE_PRESTATE: Mode
RULE_UNSPECIFIED: Rule
RULE_OTHER: Rule
RULE_HEADER_FIELDS: Rule
RULE_NUMBER: Rule
RULE_TIMESTAMP: Rule
RULE_GAS_LIMIT: Rule
RULE_GAS_USED: Rule
RULE_BASE_FEE: Rule
RULE_EXTRA_DATA: Rule
RULE_DIFFICULTY: Rule
RULE_NONCE: Rule
RULE_UNCLES_HASH: Rule
RULE_EXCESS_BLOB_GAS: Rule
RULE_BLOB_GAS_USED: Rule
RULE_PROOF_OF_WORK: Rule
RULE_BLOCK_ENCODING: Rule
RULE_BLOCK_SIZE: Rule
RULE_TRANSACTIONS_ROOT: Rule
RULE_WITHDRAWALS_ROOT: Rule
RULE_UNCLES: Rule
RULE_TRANSACTION: Rule
RULE_BLOCK_GAS: Rule
RULE_SYSTEM_CONTRACT: Rule
RULE_DEPOSIT_REQUESTS: Rule
ABSTENTION_REASON_UNSPECIFIED: AbstentionReason
ABSTENTION_REASON_WITNESS_INSUFFICIENT: AbstentionReason
ABSTENTION_REASON_UNSUPPORTED_FORK: AbstentionReason
ABSTENTION_REASON_TIMEOUT: AbstentionReason
ABSTENTION_REASON_CRASHED: AbstentionReason
ABSTENTION_REASON_REFUSED: AbstentionReason

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("client_name", "client_version", "adapter_version", "lineage", "forks", "modes", "unchecked_rules", "max_concurrent_requests", "contract_version", "traces", "uploads")
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    CLIENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_FIELD_NUMBER: _ClassVar[int]
    FORKS_FIELD_NUMBER: _ClassVar[int]
    MODES_FIELD_NUMBER: _ClassVar[int]
    UNCHECKED_RULES_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    TRACES_FIELD_NUMBER: _ClassVar[int]
    UPLOADS_FIELD_NUMBER: _ClassVar[int]
    client_name: str
    client_version: str
    adapter_version: str
    lineage: str
    forks: _containers.RepeatedScalarFieldContainer[str]
    modes: _containers.RepeatedScalarFieldContainer[Mode]
    unchecked_rules: _containers.RepeatedScalarFieldContainer[Rule]
    max_concurrent_requests: int
    contract_version: int
    traces: bool
    uploads: bool
    def __init__(self, client_name: _Optional[str] = ..., client_version: _Optional[str] = ..., adapter_version: _Optional[str] = ..., lineage: _Optional[str] = ..., forks: _Optional[_Iterable[str]] = ..., modes: _Optional[_Iterable[_Union[Mode, str]]] = ..., unchecked_rules: _Optional[_Iterable[_Union[Rule, str]]] = ..., max_concurrent_requests: _Optional[int] = ..., contract_version: _Optional[int] = ..., traces: _Optional[bool] = ..., uploads: _Optional[bool] = ...) -> None: ...

class ExecuteRequest(_message.Message):
    __slots__ = ("path", "content", "uploaded", "block_hash", "pre_state_root", "mode", "chain_config", "parent_header_optional", "ancestor_hashes")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    UPLOADED_FIELD_NUMBER: _ClassVar[int]
    BLOCK_HASH_FIELD_NUMBER: _ClassVar[int]
    PRE_STATE_ROOT_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    CHAIN_CONFIG_FIELD_NUMBER: _ClassVar[int]
    PARENT_HEADER_OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    ANCESTOR_HASHES_FIELD_NUMBER: _ClassVar[int]
    path: str
    content: bytes
    uploaded: bytes
    block_hash: bytes
    pre_state_root: bytes
    mode: Mode
    chain_config: bytes
    parent_header_optional: bool
    ancestor_hashes: _containers.RepeatedCompositeFieldContainer[AncestorHash]
    def __init__(self, path: _Optional[str] = ..., content: _Optional[bytes] = ..., uploaded: _Optional[bytes] = ..., block_hash: _Optional[bytes] = ..., pre_state_root: _Optional[bytes] = ..., mode: _Optional[_Union[Mode, str]] = ..., chain_config: _Optional[bytes] = ..., parent_header_optional: _Optional[bool] = ..., ancestor_hashes: _Optional[_Iterable[_Union[AncestorHash, _Mapping]]] = ...) -> None: ...

class AncestorHash(_message.Message):
    __slots__ = ("number", "hash")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    number: int
    hash: bytes
    def __init__(self, number: _Optional[int] = ..., hash: _Optional[bytes] = ...) -> None: ...

class ExecuteResponse(_message.Message):
    __slots__ = ("computed", "broken_rule", "abstention", "timings")
    COMPUTED_FIELD_NUMBER: _ClassVar[int]
    BROKEN_RULE_FIELD_NUMBER: _ClassVar[int]
    ABSTENTION_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    computed: Computed
    broken_rule: BrokenRule
    abstention: Abstention
    timings: Timings
    def __init__(self, computed: _Optional[_Union[Computed, _Mapping]] = ..., broken_rule: _Optional[_Union[BrokenRule, _Mapping]] = ..., abstention: _Optional[_Union[Abstention, _Mapping]] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ...) -> None: ...

class Computed(_message.Message):
    __slots__ = ("state_root", "receipts_root", "logs_bloom", "gas_used", "transactions_root", "blob_gas_used", "withdrawals_root", "requests_hash", "block_access_list_hash", "receipts", "unchecked_rules", "post_state")
    STATE_ROOT_FIELD_NUMBER: _ClassVar[int]
    RECEIPTS_ROOT_FIELD_NUMBER: _ClassVar[int]
    LOGS_BLOOM_FIELD_NUMBER: _ClassVar[int]
    GAS_USED_FIELD_NUMBER: _ClassVar[int]
    TRANSACTIONS_ROOT_FIELD_NUMBER: _ClassVar[int]
    BLOB_GAS_USED_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWALS_ROOT_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_HASH_FIELD_NUMBER: _ClassVar[int]
    BLOCK_ACCESS_LIST_HASH_FIELD_NUMBER: _ClassVar[int]
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    UNCHECKED_RULES_FIELD_NUMBER: _ClassVar[int]
    POST_STATE_FIELD_NUMBER: _ClassVar[int]
    state_root: bytes
    receipts_root: bytes
    logs_bloom: bytes
    gas_used: int
    transactions_root: bytes
    blob_gas_used: int
    withdrawals_root: bytes
    requests_hash: bytes
    block_access_list_hash: bytes
    receipts: _containers.RepeatedCompositeFieldContainer[Receipt]
    unchecked_rules: _containers.RepeatedScalarFieldContainer[Rule]
    post_state: _containers.RepeatedCompositeFieldContainer[PostAccount]
    def __init__(self, state_root: _Optional[bytes] = ..., receipts_root: _Optional[bytes] = ..., logs_bloom: _Optional[bytes] = ..., gas_used: _Optional[int] = ..., transactions_root: _Optional[bytes] = ..., blob_gas_used: _Optional[int] = ..., withdrawals_root: _Optional[bytes] = ..., requests_hash: _Optional[bytes] = ..., block_access_list_hash: _Optional[bytes] = ..., receipts: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ..., unchecked_rules: _Optional[_Iterable[_Union[Rule, str]]] = ..., post_state: _Optional[_Iterable[_Union[PostAccount, _Mapping]]] = ...) -> None: ...

class PostAccount(_message.Message):
    __slots__ = ("address", "deleted", "nonce", "balance", "code_hash", "slots")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    CODE_HASH_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    address: bytes
    deleted: bool
    nonce: int
    balance: bytes
    code_hash: bytes
    slots: _containers.RepeatedCompositeFieldContainer[PostSlot]
    def __init__(self, address: _Optional[bytes] = ..., deleted: _Optional[bool] = ..., nonce: _Optional[int] = ..., balance: _Optional[bytes] = ..., code_hash: _Optional[bytes] = ..., slots: _Optional[_Iterable[_Union[PostSlot, _Mapping]]] = ...) -> None: ...

class PostSlot(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("succeeded", "post_state", "cumulative_gas_used", "logs_hash")
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    POST_STATE_FIELD_NUMBER: _ClassVar[int]
    CUMULATIVE_GAS_USED_FIELD_NUMBER: _ClassVar[int]
    LOGS_HASH_FIELD_NUMBER: _ClassVar[int]
    succeeded: bool
    post_state: bytes
    cumulative_gas_used: int
    logs_hash: bytes
    def __init__(self, succeeded: _Optional[bool] = ..., post_state: _Optional[bytes] = ..., cumulative_gas_used: _Optional[int] = ..., logs_hash: _Optional[bytes] = ...) -> None: ...

class BrokenRule(_message.Message):
    __slots__ = ("rule", "detail")
    RULE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    rule: Rule
    detail: str
    def __init__(self, rule: _Optional[_Union[Rule, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class Abstention(_message.Message):
    __slots__ = ("reason", "detail", "missing")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    reason: AbstentionReason
    detail: str
    missing: _containers.RepeatedCompositeFieldContainer[Missing]
    def __init__(self, reason: _Optional[_Union[AbstentionReason, str]] = ..., detail: _Optional[str] = ..., missing: _Optional[_Iterable[_Union[Missing, _Mapping]]] = ...) -> None: ...

class Missing(_message.Message):
    __slots__ = ("kind", "hash", "number", "where", "address", "key")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Missing.Kind]
        KIND_NODE: _ClassVar[Missing.Kind]
        KIND_CODE: _ClassVar[Missing.Kind]
        KIND_HEADER: _ClassVar[Missing.Kind]
        KIND_ACCOUNT: _ClassVar[Missing.Kind]
        KIND_SLOT: _ClassVar[Missing.Kind]
    KIND_UNSPECIFIED: Missing.Kind
    KIND_NODE: Missing.Kind
    KIND_CODE: Missing.Kind
    KIND_HEADER: Missing.Kind
    KIND_ACCOUNT: Missing.Kind
    KIND_SLOT: Missing.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    kind: Missing.Kind
    hash: bytes
    number: int
    where: str
    address: bytes
    key: bytes
    def __init__(self, kind: _Optional[_Union[Missing.Kind, str]] = ..., hash: _Optional[bytes] = ..., number: _Optional[int] = ..., where: _Optional[str] = ..., address: _Optional[bytes] = ..., key: _Optional[bytes] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("decode_us", "execute_us", "root_us", "total_us")
    DECODE_US_FIELD_NUMBER: _ClassVar[int]
    EXECUTE_US_FIELD_NUMBER: _ClassVar[int]
    ROOT_US_FIELD_NUMBER: _ClassVar[int]
    TOTAL_US_FIELD_NUMBER: _ClassVar[int]
    decode_us: int
    execute_us: int
    root_us: int
    total_us: int
    def __init__(self, decode_us: _Optional[int] = ..., execute_us: _Optional[int] = ..., root_us: _Optional[int] = ..., total_us: _Optional[int] = ...) -> None: ...

class TraceRequest(_message.Message):
    __slots__ = ("execution", "first", "count")
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    execution: ExecuteRequest
    first: int
    count: int
    def __init__(self, execution: _Optional[_Union[ExecuteRequest, _Mapping]] = ..., first: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class TraceEvent(_message.Message):
    __slots__ = ("transaction_start", "steps", "transaction_end", "outcome")
    TRANSACTION_START_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_END_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    transaction_start: TransactionStart
    steps: Steps
    transaction_end: TransactionEnd
    outcome: ExecuteResponse
    def __init__(self, transaction_start: _Optional[_Union[TransactionStart, _Mapping]] = ..., steps: _Optional[_Union[Steps, _Mapping]] = ..., transaction_end: _Optional[_Union[TransactionEnd, _Mapping]] = ..., outcome: _Optional[_Union[ExecuteResponse, _Mapping]] = ...) -> None: ...

class TransactionStart(_message.Message):
    __slots__ = ("index", "hash")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    index: int
    hash: bytes
    def __init__(self, index: _Optional[int] = ..., hash: _Optional[bytes] = ...) -> None: ...

class TransactionEnd(_message.Message):
    __slots__ = ("index", "succeeded", "gas_used", "steps")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    GAS_USED_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    index: int
    succeeded: bool
    gas_used: int
    steps: int
    def __init__(self, index: _Optional[int] = ..., succeeded: _Optional[bool] = ..., gas_used: _Optional[int] = ..., steps: _Optional[int] = ...) -> None: ...

class Steps(_message.Message):
    __slots__ = ("steps",)
    STEPS_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    def __init__(self, steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("depth", "account", "pc", "op", "gas", "stack", "gas_cost", "memory_size", "error")
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PC_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    GAS_FIELD_NUMBER: _ClassVar[int]
    STACK_FIELD_NUMBER: _ClassVar[int]
    GAS_COST_FIELD_NUMBER: _ClassVar[int]
    MEMORY_SIZE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    depth: int
    account: bytes
    pc: int
    op: int
    gas: int
    stack: bytes
    gas_cost: int
    memory_size: int
    error: str
    def __init__(self, depth: _Optional[int] = ..., account: _Optional[bytes] = ..., pc: _Optional[int] = ..., op: _Optional[int] = ..., gas: _Optional[int] = ..., stack: _Optional[bytes] = ..., gas_cost: _Optional[int] = ..., memory_size: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class UploadPart(_message.Message):
    __slots__ = ("digest", "length", "content")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    length: int
    content: bytes
    def __init__(self, digest: _Optional[bytes] = ..., length: _Optional[int] = ..., content: _Optional[bytes] = ...) -> None: ...

class UploadResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
