// The root that a post-state leads to: every change written to the tries of the witness, by the client's trie alone.

import type { Common } from '@ethereumjs/common'
import { RLP } from '@ethereumjs/rlp'
import { Account, KECCAK256_RLP, bytesToBigInt } from '@ethereumjs/util'

import { decodeAccount } from '../../dist/block-state.js'
import type { PostAccount } from '../../dist/messages.js'
import { Misses } from '../../dist/misses.js'
import { WitnessDatabase } from '../../dist/witness-database.js'
import { WitnessTrie } from '../../dist/witness-trie.js'

export async function rootAfter(
  root: Uint8Array,
  nodes: readonly Uint8Array[],
  changes: readonly PostAccount[],
  common: Common,
): Promise<Uint8Array> {
  const misses = new Misses()
  const database = new WitnessDatabase(nodes, [], misses)
  const accounts = new WitnessTrie(root, database, misses, common)
  const written: [Uint8Array, Uint8Array | undefined][] = []
  for (const { address, deleted, nonce, balance, code_hash, slots } of changes) {
    if (deleted) {
      written.push([address, undefined])
      continue
    }
    const before = await accounts.get(address)
    const storage = new WitnessTrie(
      before === null ? KECCAK256_RLP : decodeAccount(before).storageRoot,
      database,
      misses,
      common,
    )
    for (const { key, value } of slots) if (value.length > 0) await storage.put(key, RLP.encode(value))
    for (const { key, value } of slots) if (value.length === 0) await storage.del(key)
    const after = new Account(BigInt(nonce ?? 0), bytesToBigInt(balance as Uint8Array), storage.root(), code_hash)
    written.push([address, after.serialize()])
  }
  for (const [address, account] of written) if (account !== undefined) await accounts.put(address, account)
  for (const [address, account] of written) if (account === undefined) await accounts.del(address)
  return accounts.root()
}
