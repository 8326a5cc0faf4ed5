// The messages of proto/verifier/rpc/v1/executor.proto as plain objects, in the form that @grpc/proto-loader gives and
// takes: field names as they are, enumerations by name, 64-bit numbers as decimal strings. A test compares the names with
// the protocol file.

export const RULES = [
  'RULE_OTHER',
  'RULE_HEADER_FIELDS',
  'RULE_NUMBER',
  'RULE_TIMESTAMP',
  'RULE_GAS_LIMIT',
  'RULE_GAS_USED',
  'RULE_BASE_FEE',
  'RULE_EXTRA_DATA',
  'RULE_DIFFICULTY',
  'RULE_NONCE',
  'RULE_UNCLES_HASH',
  'RULE_EXCESS_BLOB_GAS',
  'RULE_BLOB_GAS_USED',
  'RULE_PROOF_OF_WORK',
  'RULE_BLOCK_ENCODING',
  'RULE_BLOCK_SIZE',
  'RULE_TRANSACTIONS_ROOT',
  'RULE_WITHDRAWALS_ROOT',
  'RULE_UNCLES',
  'RULE_TRANSACTION',
  'RULE_BLOCK_GAS',
  'RULE_SYSTEM_CONTRACT',
  'RULE_DEPOSIT_REQUESTS',
] as const
export type Rule = (typeof RULES)[number]

export const ABSTENTION_REASONS = [
  'ABSTENTION_REASON_WITNESS_INSUFFICIENT',
  'ABSTENTION_REASON_UNSUPPORTED_FORK',
  'ABSTENTION_REASON_TIMEOUT',
  'ABSTENTION_REASON_CRASHED',
  'ABSTENTION_REASON_REFUSED',
] as const
export type AbstentionReason = (typeof ABSTENTION_REASONS)[number]

export interface DescribeResponse {
  client_name: string
  client_version: string
  adapter_version: string
  lineage: string
  forks: string[]
  modes: string[]
  unchecked_rules: Rule[]
  max_concurrent_requests: number
  contract_version: number
  traces: boolean
  uploads: boolean
}

export interface ExecuteRequest {
  /** Which of the three is set. */
  witness?: 'path' | 'content' | 'uploaded'
  path?: string
  content?: Uint8Array
  uploaded?: Uint8Array
  block_hash: Uint8Array
  pre_state_root: Uint8Array
  mode: string
  chain_config: Uint8Array
  parent_header_optional: boolean
  ancestor_hashes: { number: string; hash: Uint8Array }[]
}

export interface ExecuteResponse {
  computed?: Computed
  broken_rule?: { rule: Rule; detail: string }
  abstention?: { reason: AbstentionReason; detail: string; missing: Missing[] }
  timings?: Timings
}

export interface Computed {
  state_root: Uint8Array
  receipts_root: Uint8Array
  logs_bloom: Uint8Array
  gas_used: string
  transactions_root: Uint8Array
  blob_gas_used?: string
  withdrawals_root?: Uint8Array
  requests_hash?: Uint8Array
  receipts: Receipt[]
  unchecked_rules: Rule[]
  post_state?: PostAccount[]
}

/** Of one that is deleted nothing but the address is set. Numbers that are bytes are big-endian, without leading zeros. */
export interface PostAccount {
  address: Uint8Array
  deleted: boolean
  nonce?: string
  balance?: Uint8Array
  code_hash?: Uint8Array
  slots: PostSlot[]
}

export interface PostSlot {
  key: Uint8Array
  value: Uint8Array
}

export interface Receipt {
  succeeded?: boolean
  post_state?: Uint8Array
  cumulative_gas_used: string
  logs_hash: Uint8Array
}

export interface Missing {
  kind: 'KIND_NODE' | 'KIND_CODE' | 'KIND_HEADER' | 'KIND_ACCOUNT' | 'KIND_SLOT'
  hash: Uint8Array
  number: string
  where: string
  address: Uint8Array
  key: Uint8Array
}

export interface TraceRequest {
  /** Null where it was left out. */
  execution: ExecuteRequest | null
  first: number
  count: number
}

/** One of them is set. */
export interface TraceEvent {
  /** Which one, where the library says so. */
  event?: 'transaction_start' | 'steps' | 'transaction_end' | 'outcome'
  transaction_start?: { index: number; hash: Uint8Array }
  steps?: { steps: Step[] }
  transaction_end?: { index: number; succeeded: boolean; gas_used: string; steps: string }
  outcome?: ExecuteResponse
}

/** One instruction before it is executed. Gas that a JavaScript number cannot hold is a decimal string. */
export interface Step {
  depth: number
  account: Uint8Array
  pc: number
  op: number
  gas: number | string
  stack: Uint8Array
  gas_cost: number | string
  memory_size: number
  error?: string
}

export interface UploadPart {
  digest: Uint8Array
  length: string
  content: Uint8Array
}

/** Microseconds. */
export interface Timings {
  decode_us: number
  execute_us: number
  root_us: number
  total_us: number
}
