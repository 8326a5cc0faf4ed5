// The root that a post-state leads to: every change written to the tries of the witness, by the client's trie alone.

import type { Common } from '@ethereumjs/common'
import { RLP } from '@ethereumjs/rlp'
import { Account, KECCAK256_RLP, bytesToBigInt } from '@ethereumjs/util'

import { decodeAccount } from '../../dist/block-state.js'
import { hex } from '../../dist/hexadecimal.js'
import type { PostAccount } from '../../dist/messages.js'
import { Misses } from '../../dist/misses.js'
import { WitnessDatabase } from '../../dist/witness-database.js'
import { WitnessTrie } from '../../dist/witness-trie.js'

/**
 * again: an account that was destroyed and came to be again, with the slots listed of it. What else it had is gone, and a
 * post-state does not say so.
 */
export async function rootAfter(
  root: Uint8Array,
  nodes: readonly Uint8Array[],
  changes: readonly PostAccount[],
  common: Common,
  again?: { readonly address: string; readonly slots: ReadonlyMap<string, Uint8Array> },
): Promise<Uint8Array> {
  const misses = new Misses()
  const database = new WitnessDatabase(nodes, [], misses)
  const accounts = new WitnessTrie(root, database, misses, common)
  const storageAfter = async (address: Uint8Array, slots: PostAccount['slots']): Promise<Uint8Array> => {
    const before = await accounts.get(address)
    const isAgain = again?.address === hex(address)
    const start = before === null || isAgain ? KECCAK256_RLP : decodeAccount(before).storageRoot
    const storage = new WitnessTrie(start, database, misses, common)
    const old = isAgain ? [...again.slots].map(([key, value]) => ({ key: Buffer.from(key, 'hex'), value })) : []
    for (const { key, value } of [...old, ...slots]) if (value.length > 0) await storage.put(key, RLP.encode(value))
    for (const { key, value } of slots) if (value.length === 0) await storage.del(key)
    return storage.root()
  }
  const written: [Uint8Array, Uint8Array | undefined][] = []
  for (const { address, deleted, nonce, balance, code_hash, slots } of changes) {
    const root = deleted ? undefined : await storageAfter(address, slots)
    const after = root && new Account(BigInt(nonce ?? 0), bytesToBigInt(balance as Uint8Array), root, code_hash)
    written.push([address, after?.serialize()])
  }
  if (again !== undefined && !changes.some(({ address }) => hex(address) === again.address)) {
    const address = Buffer.from(again.address, 'hex')
    const account = decodeAccount((await accounts.get(address)) as Uint8Array)
    account.storageRoot = await storageAfter(address, [])
    written.push([address, account.serialize()])
  }
  for (const [address, account] of written) if (account !== undefined) await accounts.put(address, account)
  for (const [address, account] of written) if (account === undefined) await accounts.del(address)
  return accounts.root()
}
