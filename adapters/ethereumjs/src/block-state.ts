// The state of one block above what it is read from: the client's caches, and how a read or a write goes through them.
//
// The client's own MerkleStateManager is written for a complete database. What is different here, and why:
// - What is missing throws. There, an absent node reads as an absent account, and an absent code as an empty one.
// - Slots are written to the cache only. Written one by one, a trie would collapse and need siblings that no other client
//   reads; and an error while a slot is written is never awaited.

import { RLP } from '@ethereumjs/rlp'
import type { Common } from '@ethereumjs/common'
import type { MerklePatriciaTrie } from '@ethereumjs/mpt'
import { Caches, MerkleStateManager } from '@ethereumjs/statemanager'
import { Account, KECCAK256_RLP, SYSTEM_ADDRESS, unpadBytes, type Address } from '@ethereumjs/util'

import { hex } from './hexadecimal.js'
import type { Misses, Missing } from './misses.js'
import { itemsOf, quantity } from './rlp.js'
import type { WitnessDatabase } from './witness-database.js'

/** RLP of the empty string: how the cache says that a slot is zero. */
const ZERO_SLOT = Uint8Array.of(0x80)

/** A state that holds its values answers at once. */
type OrPromise<Value> = Value | Promise<Value>

export abstract class BlockState extends MerkleStateManager {
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
  private isDeferring = false
  private deferred: Missing | undefined
  private checkpoints = 0
  protected readonly cached: Required<Pick<Caches, 'account' | 'code' | 'storage'>> & Caches

  /** database: for codes. trie: for a state that has one. */
  constructor(
    protected readonly database: WitnessDatabase,
    protected readonly misses: Misses,
    common: Common,
    trie?: MerklePatriciaTrie,
  ) {
    const caches = new Caches() // ordered maps: they never evict, and what is not written yet must not be lost
    super({ common, caches, ...(trie !== undefined && { trie }) })
    this.cached = caches as typeof this.cached
  }

  /** An account as it is below the caches. Throws where that is unknown. */
  protected abstract readAccount(address: Address): OrPromise<Account | undefined>

  /** A slot as it is below the caches, RLP; undefined where it is zero. account: as it is now. Throws where it is unknown. */
  protected abstract readSlot(address: Address, account: Account, key: Uint8Array): OrPromise<Uint8Array | undefined>

  /** Brings down what stands in the caches. */
  abstract override flush(): Promise<void>

  override async getAccount(address: Address): Promise<Account | undefined> {
    const known = this.cached.account.get(address)
    if (known !== undefined) return known.accountRLP === undefined ? undefined : decodeAccount(known.accountRLP)
    this.misses.reading = `account ${address.toString()}`
    if (this.isDeferring) {
      const read = await this.deferring(() => this.readAccount(address))
      if (read === undefined) return new Account(1n) // there, not empty, and without a code
      this.cached.account.put(address, read.value)
      return read.value
    }
    const account =
      this.systemAddressMayBeMissing && address.toString() === SYSTEM_ADDRESS
        ? await this.readSystemAccount(address)
        : await this.readAccount(address)
    if (!this.isUnknown(address)) this.cached.account.put(address, account)
    return account
  }

  private async readSystemAccount(address: Address): Promise<Account | undefined> {
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
    const read = this.isDeferring ? await this.deferring(() => this.database.code(account.codeHash)) : undefined
    if (this.isDeferring && read === undefined) return new Uint8Array()
    const code = read?.value ?? this.database.code(account.codeHash)
    this.cached.code.put(address, code)
    return code
  }

  /** Until `endDeferring`, a missing account is one that is not empty, and a missing code an empty one. */
  startDeferring(): void {
    this.isDeferring = true
    this.deferred = undefined
  }

  /** Throws what was missing since `startDeferring`, where that has to stand. */
  endDeferring(hasToStand: boolean): void {
    this.isDeferring = false
    if (hasToStand && this.deferred !== undefined) throw this.misses.note(this.deferred)
  }

  private async deferring<Value>(read: () => OrPromise<Value>): Promise<{ value: Value } | undefined> {
    return this.misses.attempt(read, (missing) => {
      this.deferred ??= missing
    })
  }

  override async getStorage(address: Address, key: Uint8Array): Promise<Uint8Array> {
    const known = this.cached.storage.get(address, key)
    if (known !== undefined) return RLP.decode(known) as Uint8Array
    const account = await this.getAccount(address)
    if (account === undefined) return new Uint8Array()
    this.misses.reading = `account ${address.toString()} slot 0x${hex(key)}`
    const encoded = await this.readSlot(address, account, key)
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

  override hasStateRoot(): Promise<boolean> {
    return Promise.resolve(true)
  }

  /** The client copies what it may throw away; nothing of ours is kept longer than one block. */
  override shallowCopy(): this {
    return this
  }

  protected flushCodes(): void {
    for (const [, { code }] of this.cached.code.flush()) if (code !== undefined) this.database.putCode(code)
  }
}

/** An account's fields out of its RLP, whose form is known to be right. */
export function decodeAccount(encoded: Uint8Array): Account {
  const [nonce, balance, storageRoot, codeHash] = itemsOf(encoded).map((item) =>
    encoded.subarray(item.payload, item.end),
  )
  return new Account(quantity(nonce as Uint8Array, 32), quantity(balance as Uint8Array, 32), storageRoot, codeHash)
}
