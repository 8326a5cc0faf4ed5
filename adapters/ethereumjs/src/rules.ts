// All rules before execution, in order, and the client's block that keeps them.

import { createBlockHeaderFromRLP, type Block, type BlockHeader } from '@ethereumjs/block'
import type { Common } from '@ethereumjs/common'

import { BrokenRule, Refusal } from './answer.js'
import type { Task } from './binding.js'
import { decodeFields, type BlockFields } from './block-header.js'
import { checkCommitments, checkTransactions, constructBlock, decodeLists } from './body-rules.js'
import { isFrom } from './chain-config.js'
import { clientName } from './client-rules.js'
import {
  checkAgainstParent,
  checkAlone,
  checkBlobGas,
  checkFieldCount,
  checkPlace,
  rulesOfParent,
} from './header-rules.js'
import type { Rule } from './messages.js'
import type { Misses } from './misses.js'
import { checkUncleCount, checkUncles } from './uncle-rules.js'

/** e^178 is beyond 2^256: with more excess than this many update fractions no balance pays for a blob (EIP-4844). */
const MAX_BLOB_EXPONENT = 178n

/** Checks the block. Returns the client's block, and the rules that could not be checked for it. */
export async function checkRules(
  task: Task,
  rules: Common,
  misses: Misses,
): Promise<{ block: Block; unchecked: Rule[] }> {
  const { fork, parent, ancestry, file } = task
  checkFieldCount(task.header, fork)
  const fields = decodeFields(task.header)
  if (parent !== undefined) checkPlace(fields, parent)
  checkAlone(fields, fork, task.config)
  const header = constructHeader(task, rules)
  checkBlobGas(fields, header)
  const clientParent = constructParent(task, rules)
  if (clientParent === undefined) checkBlobExponent(task, header, misses)
  else await checkAgainstParent(header, clientParent)

  const lists = decodeLists(file.block, fork)
  checkUncleCount(lists.uncles, fork)
  const block = constructBlock(file.block, lists, fork, rules)
  await checkCommitments(block)
  await checkUncles(block, ancestry, rules)
  checkTransactions(block, clientParent)
  return { block, unchecked: uncheckedRules(task, fields, block) }
}

/** The client checks again what is checked here before; what it alone refuses has no name of its own. */
function constructHeader(task: Task, rules: Common): BlockHeader {
  let header: BlockHeader
  try {
    header = createBlockHeaderFromRLP(task.header, { common: rules, setHardfork: true })
  } catch (error) {
    throw new BrokenRule('RULE_OTHER', `EthereumJS: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (header.common.hardfork() !== clientName(task.fork)) {
    throw new Error(`EthereumJS takes a block of ${task.fork} for one of ${header.common.hardfork()}`)
  }
  return header
}

function constructParent({ ancestry }: Task, rules: Common): BlockHeader | undefined {
  const encoded = ancestry.parent
  if (encoded === undefined) return undefined
  try {
    // Its own rules were its own block's.
    return createBlockHeaderFromRLP(encoded, { common: rules, setHardfork: true, skipConsensusFormatValidation: true })
  } catch (error) {
    throw new Refusal(`the parent's header: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Without a parent the excess may be anything, and the client would compute its exponential for ever. */
function checkBlobExponent(
  { position, ancestry, header }: Task,
  { excessBlobGas, common }: BlockHeader,
  misses: Misses,
): void {
  if (excessBlobGas === undefined || ancestry.parent !== undefined) return
  if (excessBlobGas / common.getBlobGasSchedule().blobGasPriceUpdateFraction <= MAX_BLOB_EXPONENT) return
  const hash = decodeFields(header).parentHash
  const where = `the parent's header, for an excess blob gas of ${excessBlobGas}`
  throw misses.note({ kind: 'header', hash, number: position.number - 1n, where })
}

function uncheckedRules({ parent, fork, config }: Task, fields: BlockFields, block: Block): Rule[] {
  const unchecked: Rule[] = parent === undefined ? rulesOfParent(fork) : []
  // Whether the chain had reached the terminal total difficulty is not to be seen from headers (EIP-3675).
  if (parent !== undefined && parent.difficulty > 0n && isFrom(fork, 'paris') && !config.isMergedAt(fields.timestamp)) {
    unchecked.push('RULE_DIFFICULTY')
  }
  if (block.uncleHeaders.length > 0) unchecked.push('RULE_UNCLES')
  return unchecked
}
