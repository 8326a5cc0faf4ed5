// The state of one block over a witness: the client's tries, which hold only what the block needs.
//
// Slots go to the tries once the root is asked for, values put before others are deleted: a trie that collapses needs
// siblings. A storage trie is always that of the account's storage root. In the client's own MerkleStateManager it is
// remembered by address, also when the account was destroyed meanwhile.

import type { Common } from '@ethereumjs/common'
import { createAddressFromString, type Account, type Address } from '@ethereumjs/util'

import { BlockState, decodeAccount } from './block-state.js'
import { hex, sameBytes } from './hexadecimal.js'
import type { Misses } from './misses.js'
import { MalformedRlp, itemsOf, quantity, spanAt } from './rlp.js'
import type { WitnessDatabase } from './witness-database.js'
import { WitnessTrie } from './witness-trie.js'

/** A slot's or an account's encoding as it stands in a trie; undefined where the trie proves that there is none. */
type InTrie = Map<string, Uint8Array | undefined>

/** The storage trie of an account, and what is known to stand in it. */
interface AccountStorage {
  readonly trie: WitnessTrie
  readonly slots: InTrie
}

export class WitnessState extends BlockState {
  private readonly accountTrie: WitnessTrie
  private readonly accountsInTrie: InTrie = new Map()
  private readonly storages = new Map<string, AccountStorage>()

  constructor(root: Uint8Array, database: WitnessDatabase, misses: Misses, common: Common) {
    const trie = new WitnessTrie(root, database, misses, common)
    super(database, misses, common, trie)
    this.accountTrie = trie
  }

  protected override async readAccount(address: Address): Promise<Account | undefined> {
    const encoded = await this.accountTrie.read(address.bytes, isAccount)
    this.accountsInTrie.set(hex(address.bytes), encoded)
    return encoded && decodeAccount(encoded)
  }

  protected override async readSlot(
    address: Address,
    account: Account,
    key: Uint8Array,
  ): Promise<Uint8Array | undefined> {
    const { trie, slots } = this.storageOf(hex(address.bytes), account.storageRoot)
    const encoded = await trie.read(key, isSlotValue)
    slots.set(hex(key), encoded)
    return encoded
  }

  override async getStateRoot(): Promise<Uint8Array> {
    const started = performance.now()
    await this.flush()
    this.rootTime += performance.now() - started
    return this.accountTrie.root()
  }

  override setStateRoot(root: Uint8Array): Promise<void> {
    this.accountTrie.root(root)
    return Promise.resolve()
  }

  /** Writes what changed to the tries. */
  override async flush(): Promise<void> {
    this.flushCodes()
    await this.flushSlots()
    await this.flushAccounts()
  }

  private async flushSlots(): Promise<void> {
    const byAddress = new Map<string, [string, Uint8Array][]>()
    for (const [address, key, value] of this.cached.storage.flush()) {
      if (value === undefined) continue // forgotten by a revert
      const slots = byAddress.get(address)
      if (slots === undefined) byAddress.set(address, [[key, value]])
      else slots.push([key, value])
    }
    for (const [hexAddress, slots] of byAddress) {
      const address = createAddressFromString(`0x${hexAddress}`)
      const account = await this.getAccount(address)
      if (account === undefined) continue
      const storage = this.storageOf(hexAddress, account.storageRoot)
      const changed = slots
        .map(([key, value]) => [key, value[0] === 0x80 ? undefined : value] as const)
        .filter(([key, value]) => !isSame(storage.slots, key, value))
      if (changed.length === 0) continue
      this.misses.reading = `account ${address.toString()}, storage root`
      await writeAll(storage.trie, changed, storage.slots)
      account.storageRoot = storage.trie.root()
      await this.putAccount(address, account)
    }
  }

  private async flushAccounts(): Promise<void> {
    const changed = this.cached.account
      .flush()
      .map(([address, { accountRLP }]) => [address, accountRLP] as const)
      .filter(([address, encoded]) => !isSame(this.accountsInTrie, address, encoded))
    this.misses.reading = 'state root'
    await writeAll(this.accountTrie, changed, this.accountsInTrie)
  }

  /** The storage trie with this root: an account destroyed meanwhile has another than before. */
  private storageOf(hexAddress: string, root: Uint8Array): AccountStorage {
    const known = this.storages.get(hexAddress)
    if (known !== undefined && sameBytes(known.trie.root(), root)) return known
    const storage = { trie: new WitnessTrie(root, this.database, this.misses, this.common), slots: new Map() }
    this.storages.set(hexAddress, storage)
    return storage
  }
}

/** Puts, then deletes; notes what stands in the trie then. */
async function writeAll(
  trie: WitnessTrie,
  changed: readonly (readonly [string, Uint8Array | undefined])[],
  inTrie: InTrie,
): Promise<void> {
  for (const [key, value] of changed) if (value !== undefined) await trie.put(Buffer.from(key, 'hex'), value)
  for (const [key, value] of changed) if (value === undefined) await trie.del(Buffer.from(key, 'hex'))
  for (const [key, value] of changed) inTrie.set(key, value)
}

function isSame(inTrie: InTrie, key: string, value: Uint8Array | undefined): boolean {
  if (!inTrie.has(key)) return false
  const before = inTrie.get(key)
  if (before === undefined || value === undefined) return before === value
  return sameBytes(before, value)
}

function isAccount(encoded: Uint8Array): boolean {
  try {
    const items = itemsOf(encoded)
    if (items.length !== 4 || items.some((item) => item.isList)) return false
    const [nonce, balance, storageRoot, codeHash] = items.map((item) => encoded.subarray(item.payload, item.end))
    quantity(nonce as Uint8Array, 8)
    quantity(balance as Uint8Array, 32)
    return storageRoot?.length === 32 && codeHash?.length === 32
  } catch (error) {
    if (error instanceof MalformedRlp) return false
    throw error
  }
}

function isSlotValue(encoded: Uint8Array): boolean {
  try {
    const item = spanAt(encoded, 0, encoded.length)
    if (item.isList || item.end !== encoded.length || item.payload === item.end) return false
    quantity(encoded.subarray(item.payload, item.end), 32)
    return true
  } catch (error) {
    if (error instanceof MalformedRlp) return false
    throw error
  }
}
