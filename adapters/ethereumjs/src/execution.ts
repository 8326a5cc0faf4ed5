// One request, from the witness to the answer.

import type { Block } from '@ethereumjs/block'
import type { Common } from '@ethereumjs/common'
import { RLP } from '@ethereumjs/rlp'
import type { RunBlockResult } from '@ethereumjs/vm'

import { answerOf, insufficient } from './answer.js'
import { bind, type Task } from './binding.js'
import { blobGasOf } from './body-rules.js'
import { run } from './block-run.js'
import { isFrom } from './chain-config.js'
import { clientRules } from './client-rules.js'
import { keccak256 } from './cryptography.js'
import type { Computed, ExecuteRequest, ExecuteResponse, Receipt, Rule } from './messages.js'
import { Misses } from './misses.js'
import { PrestateState } from './prestate-state.js'
import { checkRules } from './rules.js'
import { WitnessState } from './state.js'
import type { Tracing } from './tracing.js'
import { WitnessDatabase } from './witness-database.js'

/** How long the parts took, milliseconds. */
class Spent {
  decode = 0
  execute = 0
  root = 0
  private readonly started = performance.now()

  get total(): number {
    return performance.now() - this.started
  }
}

/** Answers the request; never rejects. tracing: told of what the transactions do meanwhile. */
export async function execute(request: ExecuteRequest, tracing?: Tracing): Promise<ExecuteResponse> {
  const spent = new Spent()
  const misses = new Misses()
  let response: ExecuteResponse
  try {
    response = { computed: await compute(request, misses, spent, tracing) }
    // The client may have gone on without what it missed.
    if (misses.first !== undefined) response = insufficient(misses.first)
  } catch (error) {
    // A miss is the answer whatever came of it: the client turns some into other errors.
    response = misses.first === undefined ? answerOf(error) : insufficient(misses.first)
  }
  const [decode_us, execute_us, root_us, total_us] = [spent.decode, spent.execute, spent.root, spent.total].map(
    (milliseconds) => Math.floor(milliseconds * 1000),
  ) as [number, number, number, number]
  return { ...response, timings: { decode_us, execute_us, root_us, total_us } }
}

async function compute(
  request: ExecuteRequest,
  misses: Misses,
  spent: Spent,
  tracing: Tracing | undefined,
): Promise<Computed> {
  const binding = performance.now()
  const task = bind(request, misses)
  const rules = clientRules(task.config, task.position, (task.parent?.difficulty ?? 0n) > 0n)
  spent.decode = performance.now() - binding

  const checking = performance.now()
  const { block, unchecked } = await checkRules(task, rules, misses)
  spent.execute = performance.now() - checking

  const indexing = performance.now()
  const state = stateOf(task, rules, misses)
  spent.decode += performance.now() - indexing

  const running = performance.now()
  const result = await run(block, task.fork, rules, state, task.ancestry, misses, tracing)
  spent.execute += performance.now() - running - state.rootTime

  const hashing = performance.now()
  const computed = collect(task, block, result, unchecked)
  const answer =
    state instanceof PrestateState ? { ...computed, ...(await withoutRoots(computed, task, state)) } : computed
  spent.root = state.rootTime + performance.now() - hashing
  return answer
}

/** The state before the block: over the prestate section in MODE_PRESTATE, else over the witness's nodes. */
function stateOf(task: Task, rules: Common, misses: Misses): WitnessState | PrestateState {
  const { prestate, file } = task
  if (prestate !== undefined) {
    return new PrestateState(prestate, new WitnessDatabase([], file.codes, misses), misses, rules)
  }
  return new WitnessState(task.preStateRoot, new WitnessDatabase(file.nodes, file.codes, misses), misses, rules)
}

/** What differs in MODE_PRESTATE. Before Byzantium a receipt holds the state's root (EIP-658), and so does their trie. */
async function withoutRoots(computed: Computed, { fork }: Task, state: PrestateState): Promise<Partial<Computed>> {
  const post_state = await state.postState()
  const none = { state_root: new Uint8Array(), post_state }
  if (isFrom(fork, 'byzantium') || computed.receipts.length === 0) return none
  const receipts = computed.receipts.map(({ post_state: _, ...receipt }) => receipt)
  return { ...none, receipts, receipts_root: new Uint8Array() }
}

function collect(task: Task, block: Block, result: RunBlockResult, unchecked: Rule[]): Computed {
  const { fork } = task
  return {
    state_root: result.stateRoot,
    receipts_root: result.receiptsRoot,
    logs_bloom: result.logsBloom,
    gas_used: result.gasUsed.toString(),
    // `checkCommitments` has computed the body's roots, and found them to be the header's.
    transactions_root: block.header.transactionsTrie,
    ...(isFrom(fork, 'cancun') && { blob_gas_used: blobGasOf(block).toString() }),
    ...(isFrom(fork, 'shanghai') && { withdrawals_root: block.header.withdrawalsRoot as Uint8Array }),
    ...(isFrom(fork, 'prague') && { requests_hash: result.requestsHash as Uint8Array }),
    receipts: result.receipts.map(receiptOf),
    unchecked_rules: unchecked,
  }
}

function receiptOf(receipt: RunBlockResult['receipts'][number]): Receipt {
  // EIP-658: a status from Byzantium on, and before it the state root after the transaction.
  const outcome = 'stateRoot' in receipt ? { post_state: receipt.stateRoot } : { succeeded: receipt.status === 1 }
  return {
    ...outcome,
    cumulative_gas_used: receipt.cumulativeBlockGasUsed.toString(),
    logs_hash: keccak256(RLP.encode(receipt.logs)),
  }
}
