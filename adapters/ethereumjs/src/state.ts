// The state of one block: the client's caches and tries over a witness that holds only what the block needs.
//
// The client's own MerkleStateManager is written for a complete database. What is different here, and why:
// - Slots are written to the cache only, and to the tries once the root is asked for. Written one by one, a trie would
//   collapse and need siblings that no other client reads. Values are put before others are deleted, for the same reason.
// - What is missing throws. There, an absent node reads as an absent account, an absent code as an empty one, and an
//   error while a slot is written is never awaited.
// - A storage trie is always that of the account's storage root. There, it is remembered by address, also when the
//   account was destroyed meanwhile.

import type { Common } from '@ethereumjs/common'
import { RLP } from '@ethereumjs/rlp'
import { Caches, MerkleStateManager } from '@ethereumjs/statemanager'
import { Account, Address, KECCAK256_RLP, SYSTEM_ADDRESS, createAddressFromString, unpadBytes } from '@ethereumjs/util'

import { hex, sameBytes } from './hexadecimal.js'
import type { Misses } from './misses.js'
import { MalformedRlp, itemsOf, quantity, spanAt } from './rlp.js'
import type { WitnessDatabase } from './witness-database.js'
import { WitnessTrie } from './witness-trie.js'

/** RLP of the empty string: how the cache says that a slot is zero. */
const ZERO_SLOT = Uint8Array.of(0x80)

/** A slot's or an account's encoding as it stands in a trie; undefined where the trie proves that there is none. */
type InTrie = Map<string, Uint8Array | undefined>

/** The storage trie of an account, and what is known to stand in it. */
interface AccountStorage {
  readonly trie: WitnessTrie
  readonly slots: InTrie
}

export class WitnessState extends MerkleStateManager {
  /** Milliseconds spent in computing roots. */
  rootTime = 0
  /**
   * Whether the system address may be taken for absent where its node is not in the witness: from the last transaction
   * on, in forks with system calls. The client loads the caller's account there, which the protocol does not (EIP-7002,
   * EIP-7251: the call has no sender to charge), and puts it back as it was.
   */
  systemAddressMayBeMissing = false
  /**
   * Set while only a code's hash is asked for: the client reads the code as well (README.md, "Findings"), which other
   * clients do not, so that recorded witnesses lack it.
   */
  codeMayBeMissing = false

  private systemAddressIsMissing = false
  private readonly accountTrie: WitnessTrie
  private readonly accountsInTrie: InTrie = new Map()
  private readonly storages = new Map<string, AccountStorage>()
  private checkpoints = 0
  private readonly cached: Required<Pick<Caches, 'account' | 'code' | 'storage'>> & Caches

  constructor(
    root: Uint8Array,
    private readonly database: WitnessDatabase,
    private readonly misses: Misses,
    common: Common,
  ) {
    const trie = new WitnessTrie(root, database, misses, common)
    const caches = new Caches() // ordered maps: they never evict, and what is not written yet must not be lost
    super({ common, trie, caches })
    this.accountTrie = trie
    this.cached = caches as typeof this.cached
  }

  override async getAccount(address: Address): Promise<Account | undefined> {
    const known = this.cached.account.get(address)
    if (known !== undefined) return known.accountRLP === undefined ? undefined : decodeAccount(known.accountRLP)
    const encoded =
      this.systemAddressMayBeMissing && address.toString() === SYSTEM_ADDRESS
        ? await this.readSystemAccount(address)
        : await this.readAccount(address)
    const account = encoded === undefined ? undefined : decodeAccount(encoded)
    if (!this.isUnknown(address)) this.cached.account.put(address, account)
    return account
  }

  private async readAccount(address: Address): Promise<Uint8Array | undefined> {
    this.misses.reading = `account ${address.toString()}`
    const encoded = await this.accountTrie.read(address.bytes, isAccount)
    this.accountsInTrie.set(hex(address.bytes), encoded)
    return encoded
  }

  private async readSystemAccount(address: Address): Promise<Uint8Array | undefined> {
    const read = await this.misses.attempt(() => this.readAccount(address))
    this.systemAddressIsMissing = read === undefined
    return read?.value
  }

  private isUnknown(address: Address): boolean {
    return this.systemAddressIsMissing && address.toString() === SYSTEM_ADDRESS
  }

  override putAccount(address: Address, account?: Account): Promise<void> {
    if (this.isUnknown(address)) return Promise.resolve()
    if (account === undefined) this.cached.account.del(address)
    else this.cached.account.put(address, account)
    return Promise.resolve()
  }

  override deleteAccount(address: Address): Promise<void> {
    if (this.isUnknown(address)) return Promise.resolve()
    this.cached.code.del(address)
    this.cached.account.del(address)
    this.forgetSlots(address)
    return Promise.resolve()
  }

  override async getCode(address: Address): Promise<Uint8Array> {
    const known = this.cached.code.get(address)
    if (known !== undefined) return known.code ?? new Uint8Array()
    const account = await this.getAccount(address)
    if (!account?.isContract()) return new Uint8Array()
    if (this.codeMayBeMissing && !this.database.hasCode(account.codeHash)) return new Uint8Array()
    this.misses.reading = `account ${address.toString()}`
    const code = this.database.code(account.codeHash)
    this.cached.code.put(address, code)
    return code
  }

  override async getStorage(address: Address, key: Uint8Array): Promise<Uint8Array> {
    const known = this.cached.storage.get(address, key)
    if (known !== undefined) return RLP.decode(known) as Uint8Array
    const account = await this.getAccount(address)
    if (account === undefined) return new Uint8Array()
    this.misses.reading = `account ${address.toString()} slot 0x${hex(key)}`
    const { trie, slots } = this.storageOf(hex(address.bytes), account.storageRoot)
    const encoded = await trie.read(key, isSlotValue)
    slots.set(hex(key), encoded)
    this.cached.storage.put(address, key, encoded ?? ZERO_SLOT)
    return encoded === undefined ? new Uint8Array() : (RLP.decode(encoded) as Uint8Array)
  }

  override async putStorage(address: Address, key: Uint8Array, value: Uint8Array): Promise<void> {
    if ((await this.getAccount(address)) === undefined)
      throw new Error('a slot is written of an account that is not there')
    this.cached.storage.put(address, key, RLP.encode(unpadBytes(value)))
  }

  override async clearStorage(address: Address): Promise<void> {
    this.forgetSlots(address)
    const account = (await this.getAccount(address)) ?? new Account()
    account.storageRoot = KECCAK256_RLP
    await this.putAccount(address, account)
  }

  /** Empties the slots one by one: the cache's own way to clear them cannot be reverted. */
  private forgetSlots(address: Address): void {
    for (const key of [...(this.cached.storage.dump(address)?.keys() ?? [])]) {
      this.cached.storage.del(address, Buffer.from(key, 'hex'))
    }
  }

  override checkpoint(): Promise<void> {
    this.cached.checkpoint()
    this.checkpoints += 1
    return Promise.resolve()
  }

  override async commit(): Promise<void> {
    this.cached.commit()
    await this.endCheckpoint()
  }

  override async revert(): Promise<void> {
    this.cached.revert()
    await this.endCheckpoint()
  }

  private async endCheckpoint(): Promise<void> {
    this.checkpoints -= 1
    if (this.checkpoints > 0) return
    // After a miss there is nothing to compute any more: the run ends, and the client reverts on its way out.
    if (this.misses.first === undefined) await this.flush()
    this.originalStorageCache.clear()
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

  override hasStateRoot(): Promise<boolean> {
    return Promise.resolve(true)
  }

  /** The client copies what it may throw away; nothing of ours is kept longer than one block. */
  override shallowCopy(): this {
    return this
  }

  /** Writes what changed to the tries. */
  override async flush(): Promise<void> {
    for (const [, { code }] of this.cached.code.flush()) if (code !== undefined) this.database.putCode(code)
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

function decodeAccount(encoded: Uint8Array): Account {
  const [nonce, balance, storageRoot, codeHash] = itemsOf(encoded).map((item) =>
    encoded.subarray(item.payload, item.end),
  )
  return new Account(quantity(nonce as Uint8Array, 32), quantity(balance as Uint8Array, 32), storageRoot, codeHash)
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
