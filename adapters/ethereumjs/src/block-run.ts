// A block through the client's `runBlock`, and what its errors mean.

import type { Block } from '@ethereumjs/block'
import type { Common } from '@ethereumjs/common'
import { SYSTEM_ADDRESS } from '@ethereumjs/util'
import { createVM, runBlock, type RunBlockResult } from '@ethereumjs/vm'

import type { Ancestry } from './ancestry.js'
import { BrokenRule } from './answer.js'
import type { BlockState } from './block-state.js'
import { isFrom, type Fork } from './chain-config.js'
import { bls } from './cryptography.js'
import type { Rule } from './messages.js'
import type { Misses } from './misses.js'
import { avoidNeedlessReads } from './needless-reads.js'
import { settling } from './settling.js'
import type { Tracing } from './tracing.js'

/** The sentences of the client that say that a block is invalid. Everything else is a failure of the client itself. */
const SENTENCES: readonly (readonly [RegExp, Rule])[] = [
  [/^tx has a higher gas limit than the block/u, 'RULE_BLOCK_GAS'],
  [/^invalid deposit log/u, 'RULE_DEPOSIT_REQUESTS'],
  [/^system contract (empty|call failed)/u, 'RULE_SYSTEM_CONTRACT'],
  [/^INTRINSIC_GAS_TOO_LOW/u, 'RULE_TRANSACTION'],
  [/^Transaction's .* is less than/u, 'RULE_TRANSACTION'],
  [/^Transaction intrinsic regular gas/u, 'RULE_TRANSACTION'],
  [/^invalid sender address, address is not EOA/u, 'RULE_TRANSACTION'],
  [/^sender doesn't have enough funds/u, 'RULE_TRANSACTION'],
  [/^the tx doesn't have the correct nonce/u, 'RULE_TRANSACTION'],
  [/^Invalid Signature/u, 'RULE_TRANSACTION'],
  [/^This transaction is not signed/u, 'RULE_TRANSACTION'], // r or s is 0, which it takes for absent
  [/^blob transactions are only valid/u, 'RULE_TRANSACTION'],
  [/^Cannot run transaction: EIP/u, 'RULE_TRANSACTION'],
]

/** Executes the block on `state`. Throws what the client throws, or the broken rule that it means. */
export async function run(
  block: Block,
  fork: Fork,
  rules: Common,
  state: BlockState,
  ancestry: Ancestry,
  misses: Misses,
  tracing?: Tracing,
): Promise<RunBlockResult> {
  const blockchain = {
    getBlock: (number: number) => {
      const hash = ancestry.blockHash(BigInt(number), misses)
      return Promise.resolve({ hash: () => hash })
    },
    putBlock: () => Promise.resolve(),
    shallowCopy: () => blockchain,
  }
  const vm = await createVM({ common: rules, stateManager: state, blockchain, evmOpts: { bls } })
  avoidNeedlessReads(vm, state)
  tracing?.follow(vm)
  // A withdrawal to the system address is a read like any other.
  const hasSystemCalls =
    isFrom(fork, 'prague') && !block.withdrawals?.some(({ address }) => address.toString() === SYSTEM_ADDRESS)
  let finished = 0
  const afterTransactions = (): void => {
    state.systemAddressMayBeMissing = hasSystemCalls && finished === block.transactions.length
  }
  vm.events.on('afterTx', () => {
    finished += 1
    afterTransactions()
  })
  afterTransactions()
  try {
    // generate: the client would otherwise compare with the header, and throw its results away where they differ.
    return await settling(runBlock(vm, { block, skipBlockValidation: true, generate: true }))
  } catch (error) {
    throw explain(error, finished, block.transactions.length)
  } finally {
    tracing?.finish()
  }
}

function explain(error: unknown, finished: number, count: number): Error {
  if (!(error instanceof Error)) return new Error(String(error))
  const rule = SENTENCES.find(([sentence]) => sentence.test(error.message))?.[1]
  if (rule === undefined) return error
  const isTransaction = rule === 'RULE_TRANSACTION' || rule === 'RULE_BLOCK_GAS'
  return new BrokenRule(
    rule,
    isTransaction && finished < count ? `transaction ${finished}: ${error.message}` : error.message,
  )
}
