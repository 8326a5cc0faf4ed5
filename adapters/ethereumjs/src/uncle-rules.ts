// The rules of uncles (yellow paper, section 11.1), as far as a witness allows.
//
// Which uncles the ancestors already had is in their bodies, and an uncle's parent may be older than the headers that are
// there: a block with uncles has RULE_UNCLES among its unchecked rules.

import { createBlockHeaderFromRLP, type Block, type BlockHeader } from '@ethereumjs/block'
import type { Common } from '@ethereumjs/common'

import type { Ancestry } from './ancestry.js'
import { BrokenRule } from './answer.js'
import { isFrom, type Fork } from './chain-config.js'
import { prefixed, sameBytes } from './hexadecimal.js'
import { checkAgainstParent } from './header-rules.js'
import type { Decoded } from './rlp.js'

const MAX_UNCLES = 2
const MAX_GENERATION = 6n // an uncle is at most that many blocks older than the block

/** How many uncles there may be: none from Paris on (EIP-3675). */
export function checkUncleCount(uncles: readonly Decoded[], fork: Fork): void {
  const most = isFrom(fork, 'paris') ? 0 : MAX_UNCLES
  if (uncles.length > most) throw new BrokenRule('RULE_UNCLES', `${uncles.length} uncles, at most ${most} are allowed`)
}

/** Each uncle's place in the chain, and its header where its parent's is in the witness. */
export async function checkUncles(block: Block, ancestry: Ancestry, rules: Common): Promise<void> {
  for (const [index, uncle] of block.uncleHeaders.entries()) {
    checkUnclePlace(block, uncle, index, ancestry)
    const encoded = ancestry.header(uncle.parentHash)
    if (encoded === undefined) continue
    try {
      const parent = createBlockHeaderFromRLP(encoded, { common: rules, setHardfork: true })
      if (uncle.number !== parent.number + 1n) throw new Error(`number ${uncle.number} on ${parent.number}`)
      if (uncle.timestamp <= parent.timestamp) throw new Error(`timestamp ${uncle.timestamp}`)
      await checkAgainstParent(uncle, parent)
    } catch (error) {
      throw new BrokenRule('RULE_UNCLES', `uncle ${index}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

function checkUnclePlace(block: Block, uncle: BlockHeader, index: number, ancestry: Ancestry): void {
  const { number, parentHash } = block.header
  if (uncle.number >= number || uncle.number + MAX_GENERATION < number) {
    throw new BrokenRule('RULE_UNCLES', `uncle ${index} has number ${uncle.number} in block ${number}`)
  }
  const hash = uncle.hash()
  if (ancestry.has(hash)) throw new BrokenRule('RULE_UNCLES', `uncle ${index}, ${prefixed(hash)}, is an ancestor`)
  if (sameBytes(uncle.parentHash, parentHash)) {
    throw new BrokenRule('RULE_UNCLES', `uncle ${index}, ${prefixed(hash)}, is a sibling of the block`)
  }
}
