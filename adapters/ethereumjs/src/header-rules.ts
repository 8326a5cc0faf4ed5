// The rules of a header, each with its name.
//
// The client checks many of them while it constructs a header, several in one sentence. Here each is checked on its own,
// in a fixed order, so that the broken one has a name; with the client's own formulas where there is one. At the end the
// client's `Blockchain.validateHeader` is asked as well.

import type { BlockHeader } from '@ethereumjs/block'
import { Blockchain } from '@ethereumjs/blockchain'

import { BrokenRule } from './answer.js'
import { expectedFieldCount, fieldCount, fieldName, type BlockFields } from './block-header.js'
import { isFrom, type ChainConfig, type Fork } from './chain-config.js'
import { prefixed, sameBytes } from './hexadecimal.js'
import type { Rule } from './messages.js'

const MIN_GAS_LIMIT = 5000n // yellow paper, section 4.4.4
const MAX_GAS_LIMIT = 2n ** 63n - 1n // EIP-1985
const MAX_EXTRA_DATA = 32 // bytes; yellow paper, section 4.4.4
const GAS_PER_BLOB = 131_072n // EIP-4844
const DAO_EXTRA_DATA = Buffer.from('dao-hard-fork') // EIP-779
const DAO_EXTRA_DATA_BLOCKS = 10n // EIP-779
const EMPTY_UNCLES = Buffer.from('1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347', 'hex')

/** How many of the fields that forks added a header has, from the fork on. */
const ADDED_FIELDS: readonly (readonly [Fork, number])[] = [
  ['prague', 6],
  ['cancun', 5],
  ['shanghai', 2],
  ['london', 1],
]

/** The rules that need the parent's header; not checked where it may be absent and is. */
export function rulesOfParent(fork: Fork): Rule[] {
  const rules: Rule[] = ['RULE_NUMBER', 'RULE_TIMESTAMP', 'RULE_GAS_LIMIT']
  if (isFrom(fork, 'london')) rules.push('RULE_BASE_FEE')
  if (!isFrom(fork, 'shanghai')) rules.push('RULE_DIFFICULTY')
  if (isFrom(fork, 'cancun')) rules.push('RULE_EXCESS_BLOB_GAS')
  return rules
}

/** Fails unless the header has the fields of its fork and no others. */
export function checkFieldCount(encoded: Uint8Array, fork: Fork): void {
  const added = ADDED_FIELDS.find(([first]) => isFrom(fork, first))?.[1] ?? 0
  const [count, expected] = [fieldCount(encoded), expectedFieldCount(added)]
  if (count === expected) return
  const what = count < expected ? `${fieldName(count)} is missing` : `${fieldName(expected)} is not of this fork`
  throw new BrokenRule('RULE_HEADER_FIELDS', `${count} fields, ${expected} expected in ${fork}: ${what}`)
}

/** What is bounded by constants, by the header itself, or by the fork alone. */
export function checkAlone(header: BlockFields, fork: Fork, config: ChainConfig): void {
  checkMerge(header, fork, config)
  if (header.gasLimit > MAX_GAS_LIMIT || header.gasLimit < MIN_GAS_LIMIT) {
    throw new BrokenRule('RULE_GAS_LIMIT', `${header.gasLimit}, from ${MIN_GAS_LIMIT} to ${MAX_GAS_LIMIT} is allowed`)
  }
  if (header.gasUsed > header.gasLimit) {
    throw new BrokenRule('RULE_GAS_USED', `${header.gasUsed}, above the gas limit ${header.gasLimit}`)
  }
  if (header.extraData.length > MAX_EXTRA_DATA) {
    throw new BrokenRule('RULE_EXTRA_DATA', `${header.extraData.length} bytes, at most ${MAX_EXTRA_DATA} are allowed`)
  }
  checkDaoExtraData(header, config)
  if (isFrom(fork, 'paris')) checkSeal(header)
}

/** The difficulty is 0 after The Merge, and only then (EIP-3675). */
function checkMerge({ difficulty, timestamp }: BlockFields, fork: Fork, config: ChainConfig): void {
  if (difficulty !== 0n && (isFrom(fork, 'paris') || config.isMergedAt(timestamp))) {
    throw new BrokenRule('RULE_DIFFICULTY', `${difficulty} after The Merge, 0 expected`)
  }
  if (difficulty === 0n && !isFrom(fork, 'paris')) {
    throw new BrokenRule('RULE_DIFFICULTY', '0 on a chain without The Merge')
  }
}

/** The first ten blocks of the DAO fork say so, and those of the chain without it must not (EIP-779). */
function checkDaoExtraData({ number, extraData }: BlockFields, config: ChainConfig): void {
  const dao = config.dao
  if (dao === undefined || dao.block === 0n) return
  if (number < dao.block || number >= dao.block + DAO_EXTRA_DATA_BLOCKS) return
  if (sameBytes(extraData, DAO_EXTRA_DATA) !== dao.supported) {
    const expected = dao.supported ? 'dao-hard-fork expected' : 'not allowed on a chain without the DAO fork'
    throw new BrokenRule('RULE_EXTRA_DATA', `${prefixed(extraData)}: ${expected}`)
  }
}

/** The constants that stand for the seal from Paris on (EIP-3675). */
function checkSeal(header: BlockFields): void {
  if (header.nonce.some((byte) => byte !== 0)) {
    throw new BrokenRule('RULE_NONCE', `${prefixed(header.nonce)}, 0 expected`)
  }
  if (!sameBytes(header.unclesHash, EMPTY_UNCLES)) {
    throw new BrokenRule('RULE_UNCLES_HASH', `${prefixed(header.unclesHash)}, that of the empty list expected`)
  }
}

/** Blob gas used against its bounds (EIP-4844); against the body it is checked with the body. */
export function checkBlobGas({ blobGasUsed }: BlockFields, client: BlockHeader): void {
  if (blobGasUsed === undefined) return
  const { maxBlobGasPerBlock } = client.common.getBlobGasSchedule()
  if (blobGasUsed > maxBlobGasPerBlock) {
    throw new BrokenRule('RULE_BLOB_GAS_USED', `${blobGasUsed}, at most ${maxBlobGasPerBlock} is allowed`)
  }
  if (blobGasUsed % GAS_PER_BLOB !== 0n) {
    throw new BrokenRule('RULE_BLOB_GAS_USED', `${blobGasUsed} is no multiple of ${GAS_PER_BLOB}`)
  }
}

/** Number and timestamp: checked first, as they decide by which fork's rules the rest is looked at. */
export function checkPlace(header: BlockFields, parent: BlockFields): void {
  if (header.number !== parent.number + 1n) {
    throw new BrokenRule('RULE_NUMBER', `${header.number} on a parent with number ${parent.number}`)
  }
  if (header.timestamp <= parent.timestamp) {
    throw new BrokenRule('RULE_TIMESTAMP', `${header.timestamp}, the parent's is ${parent.timestamp}`)
  }
}

/** What follows from the parent, by the client's own formulas. */
export async function checkAgainstParent(header: BlockHeader, parent: BlockHeader): Promise<void> {
  if (parent.difficulty === 0n && header.difficulty !== 0n) {
    throw new BrokenRule('RULE_DIFFICULTY', `${header.difficulty} on a parent after The Merge`)
  }
  if (header.difficulty !== 0n) {
    const expected = header.ethashCanonicalDifficulty(parent)
    if (header.difficulty !== expected) throw differs('RULE_DIFFICULTY', header.difficulty, expected)
  }
  try {
    header.validateGasLimit(parent)
  } catch {
    throw new BrokenRule('RULE_GAS_LIMIT', `${header.gasLimit} on a parent with gas limit ${parent.gasLimit}`)
  }
  if (header.baseFeePerGas !== undefined) {
    const initial = header.common.param('initialBaseFee')
    const expected = parent.baseFeePerGas === undefined ? initial : parent.calcNextBaseFee()
    if (header.baseFeePerGas !== expected) throw differs('RULE_BASE_FEE', header.baseFeePerGas, expected)
  }
  if (header.excessBlobGas !== undefined) {
    const expected = parent.calcNextExcessBlobGas(header.common)
    if (header.excessBlobGas !== expected) throw differs('RULE_EXCESS_BLOB_GAS', header.excessBlobGas, expected)
  }
  await askBlockchain(header, parent)
}

function differs(rule: Rule, value: bigint, expected: bigint): BrokenRule {
  return new BrokenRule(rule, `${value}, ${expected} expected`)
}

/** The client's own validation of headers, on the one ancestor that it looks for. */
async function askBlockchain(header: BlockHeader, parent: BlockHeader): Promise<void> {
  const chain = { common: header.common, _getHeader: () => Promise.resolve(parent) }
  try {
    await Blockchain.prototype.validateHeader.call(chain as unknown as Blockchain, header)
  } catch (error) {
    throw new BrokenRule('RULE_OTHER', `EthereumJS: ${error instanceof Error ? error.message : String(error)}`)
  }
}
