// The rules of a block's body, each with its name: the parts of the client's `Block.validateData` and
// `validateBlobTransactions` one by one, and those that the client does not have.

import { createBlockFromRLP, type Block, type BlockHeader } from '@ethereumjs/block'
import type { Common } from '@ethereumjs/common'
import { RLP } from '@ethereumjs/rlp'
import { createTxFromBlockBodyData, isBlob4844Tx } from '@ethereumjs/tx'

import { BrokenRule } from './answer.js'
import { isFrom, type Fork } from './chain-config.js'
import { keccak256 } from './cryptography.js'
import { prefixed, sameBytes } from './hexadecimal.js'
import { MalformedRlp, decode, type Decoded } from './rlp.js'
import { malformedTransaction } from './transaction-form.js'

/** EIP-7934: 10 MiB less a margin of 2 MiB. The client has the rule, but no fork of its own activates it. */
const MAX_BLOCK_SIZE = 10_485_760 - 2_097_152 // bytes
const GAS_PER_BLOB = 131_072n // EIP-4844

/** The block's lists, strictly decoded: header, transactions, uncles, and withdrawals where the fork has them. */
export interface Lists {
  readonly transactions: Decoded[]
  readonly uncles: Decoded[]
}

/** Fails unless `encoded` has the lists of a block of this fork, and is not too long. */
export function decodeLists(encoded: Uint8Array, fork: Fork): Lists {
  if (isFrom(fork, 'osaka') && encoded.length > MAX_BLOCK_SIZE) {
    throw new BrokenRule('RULE_BLOCK_SIZE', `${encoded.length} bytes, at most ${MAX_BLOCK_SIZE} are allowed`)
  }
  let lists: Decoded
  try {
    lists = decode(encoded)
  } catch (error) {
    if (error instanceof MalformedRlp) throw new BrokenRule('RULE_BLOCK_ENCODING', error.message)
    throw error
  }
  const expected = isFrom(fork, 'shanghai') ? 4 : 3
  if (lists.length !== expected || (lists as Decoded[]).some((list) => !Array.isArray(list))) {
    throw new BrokenRule('RULE_BLOCK_ENCODING', `a block of ${fork} is a list of ${expected} lists`)
  }
  const [, transactions, uncles] = lists as Decoded[][]
  return { transactions: transactions as Decoded[], uncles: uncles as Decoded[] }
}

/** The client's block. What it refuses to construct is a broken rule, told apart here. */
export function constructBlock(encoded: Uint8Array, { transactions }: Lists, fork: Fork, rules: Common): Block {
  let block: Block
  try {
    block = createBlockFromRLP(encoded, { common: rules, setHardfork: true })
  } catch (error) {
    throw explainConstruction(error, transactions, fork, rules)
  }
  const again = block.serialize()
  if (!sameBytes(again, encoded)) {
    const place = again.findIndex((byte, index) => byte !== encoded[index])
    throw new BrokenRule('RULE_BLOCK_ENCODING', `not as it is encoded, from byte ${place} of the block on`)
  }
  return block
}

/** Which transaction it was, and whether it is none at all or one that may not be included. */
function explainConstruction(error: unknown, transactions: Decoded[], fork: Fork, rules: Common): BrokenRule {
  for (const [index, item] of transactions.entries()) {
    const malformed = malformedTransaction(item, fork)
    if (malformed !== undefined) {
      return new BrokenRule('RULE_BLOCK_ENCODING', `transaction ${index}: ${malformed}`)
    }
    try {
      createTxFromBlockBodyData(item as Uint8Array, { common: rules })
    } catch (cause) {
      return new BrokenRule('RULE_TRANSACTION', `transaction ${index}: ${message(cause)}`)
    }
  }
  return new BrokenRule('RULE_BLOCK_ENCODING', message(error))
}

/** What the body's lists hash to, computed by the client and equal to the header's once this has returned. */
export async function checkCommitments(block: Block): Promise<void> {
  const { header } = block
  if (!(await block.transactionsTrieIsValid())) {
    const root = prefixed(await block.genTxTrie())
    throw new BrokenRule('RULE_TRANSACTIONS_ROOT', `header ${prefixed(header.transactionsTrie)}, body ${root}`)
  }
  if (!block.uncleHashIsValid()) {
    const hash = keccak256(RLP.encode(block.uncleHeaders.map((uncle) => uncle.raw())))
    throw new BrokenRule('RULE_UNCLES_HASH', `header ${prefixed(header.uncleHash)}, body ${prefixed(hash)}`)
  }
  if (block.withdrawals !== undefined && !(await block.withdrawalsTrieIsValid())) {
    const root = prefixed(header.withdrawalsRoot as Uint8Array)
    throw new BrokenRule('RULE_WITHDRAWALS_ROOT', `header ${root}, the body's ${block.withdrawals.length} differ`)
  }
  const used = blobGasOf(block)
  if (header.blobGasUsed !== undefined && header.blobGasUsed !== used) {
    throw new BrokenRule('RULE_BLOB_GAS_USED', `header ${header.blobGasUsed}, body ${used}`)
  }
}

/** The transactions' own rules: signature, intrinsic gas, fees against the base fees, blobs. */
export function checkTransactions(block: Block, parent: BlockHeader | undefined): void {
  const [error] = block.getTransactionsValidationErrors()
  if (error !== undefined) {
    throw new BrokenRule('RULE_TRANSACTION', error.replace(/^errors at tx (\d+)/u, 'transaction $1'))
  }
  if (parent === undefined || block.header.excessBlobGas === undefined) return
  try {
    block.validateBlobTransactions(parent)
  } catch (cause) {
    const price = block.header.getBlobGasPrice()
    const index = block.transactions.findIndex((tx) => isBlob4844Tx(tx) && tx.maxFeePerBlobGas < price)
    throw new BrokenRule('RULE_TRANSACTION', `transaction ${index}: ${message(cause)}`)
  }
}

/** The blob gas of the body's transactions (EIP-4844), gas. */
export function blobGasOf(block: Block): bigint {
  const blobs = block.transactions.reduce((sum, tx) => sum + (isBlob4844Tx(tx) ? tx.blobVersionedHashes.length : 0), 0)
  return BigInt(blobs) * GAS_PER_BLOB
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
