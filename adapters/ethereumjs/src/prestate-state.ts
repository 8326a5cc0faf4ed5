// The state of one block over a prestate section: values taken as they are given, no trie, and what the block changed.

import type { Common } from '@ethereumjs/common'
import { RLP } from '@ethereumjs/rlp'
import { Account, KECCAK256_RLP, unpadBytes, type Address } from '@ethereumjs/util'

import { BlockState, decodeAccount } from './block-state.js'
import { hex, sameBytes } from './hexadecimal.js'
import type { PostAccount, PostSlot } from './messages.js'
import type { Misses } from './misses.js'
import type { PreAccount, Prestate } from './prestate.js'
import type { WitnessDatabase } from './witness-database.js'

const ROOT_LENGTH = 32 // bytes
const ZERO = new Uint8Array()

export class PrestateState extends BlockState {
  /** What stood in the caches at the end of a transaction or system call: accounts as RLP, undefined where there is none. */
  private readonly accountsAfter = new Map<string, Uint8Array | undefined>()
  private readonly slotsAfter = new Map<string, Map<string, Uint8Array>>()

  constructor(
    private readonly before: Prestate,
    database: WitnessDatabase,
    misses: Misses,
    common: Common,
  ) {
    super(database, misses, common)
  }

  protected override readAccount(address: Address): Account | undefined {
    const account = this.accountBefore(hex(address.bytes))
    return account && new Account(account.nonce, account.balance, account.storageRoot, account.codeHash)
  }

  protected override readSlot(address: Address, account: Account, key: Uint8Array): Uint8Array | undefined {
    // Only an account that came to be, or to be again, in this block has another root than before: that of no slots.
    if (isEmptyRoot(account.storageRoot)) return undefined
    const value = this.slotBefore(hex(address.bytes), hex(key))
    return value.length === 0 ? undefined : RLP.encode(value)
  }

  private accountBefore(address: string): PreAccount | undefined {
    if (!this.before.has(address)) {
      throw this.misses.note({ kind: 'account', address: Buffer.from(address, 'hex'), where: this.misses.reading })
    }
    return this.before.get(address)
  }

  private slotBefore(address: string, key: string): Uint8Array {
    const account = this.accountBefore(address)
    if (account === undefined || isEmptyRoot(account.storageRoot)) return ZERO
    const value = account.slots.get(key)
    if (value !== undefined) return value
    throw this.misses.note({
      kind: 'slot',
      address: Buffer.from(address, 'hex'),
      key: Buffer.from(key, 'hex'),
      where: this.misses.reading,
    })
  }

  override flush(): Promise<void> {
    this.flushCodes()
    for (const [address, { accountRLP }] of this.cached.account.flush()) this.accountsAfter.set(address, accountRLP)
    for (const [address, key, value] of this.cached.storage.flush()) {
      if (value === undefined) continue // forgotten by a revert
      const slots = this.slotsAfter.get(address) ?? new Map<string, Uint8Array>()
      slots.set(key, value)
      this.slotsAfter.set(address, slots)
    }
    return Promise.resolve()
  }

  /** No root of the state: before Byzantium the client asks for one after each transaction, and at the end of any block. */
  override getStateRoot(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(ROOT_LENGTH))
  }

  override setStateRoot(): Promise<void> {
    return Promise.resolve()
  }

  /** Every account that is not what it was before the block, by address. Throws where it is unknown what one was. */
  async postState(): Promise<PostAccount[]> {
    await this.flush()
    const changed: PostAccount[] = []
    for (const address of [...this.accountsAfter.keys()].sort()) {
      this.misses.reading = `account 0x${address}, before and after the block`
      const account = this.changeOf(address)
      if (account !== undefined) changed.push(account)
    }
    return changed
  }

  private changeOf(address: string): PostAccount | undefined {
    const before = this.accountBefore(address)
    const encoded = this.accountsAfter.get(address)
    const name = { address: Buffer.from(address, 'hex') }
    if (encoded === undefined) return before && { ...name, deleted: true, slots: [] }
    const after = decodeAccount(encoded)
    const slots = this.changedSlots(address, before, after)
    if (
      before?.nonce === after.nonce &&
      before.balance === after.balance &&
      sameBytes(before.codeHash, after.codeHash) &&
      slots.length === 0
    ) {
      return undefined
    }
    return {
      ...name,
      deleted: false,
      nonce: after.nonce.toString(),
      balance: bytesOf(after.balance),
      code_hash: after.codeHash,
      slots,
    }
  }

  private changedSlots(address: string, before: PreAccount | undefined, after: Account): PostSlot[] {
    const values = new Map<string, Uint8Array>()
    const isNew = isEmptyRoot(after.storageRoot) // all its slots were zero before, or became zero when it was destroyed
    if (isNew) for (const key of before?.slots.keys() ?? []) values.set(key, ZERO)
    for (const [key, encoded] of this.slotsAfter.get(address) ?? []) values.set(key, RLP.decode(encoded) as Uint8Array)
    const changed: PostSlot[] = []
    for (const [key, value] of [...values].sort(([left], [right]) => (left < right ? -1 : 1))) {
      const old = isNew ? (before?.slots.get(key) ?? ZERO) : this.slotBefore(address, key)
      if (!sameBytes(old, value)) changed.push({ key: Buffer.from(key, 'hex'), value })
    }
    return changed
  }
}

function isEmptyRoot(root: Uint8Array): boolean {
  return sameBytes(root, KECCAK256_RLP)
}

/** Big-endian, without leading zeros. */
function bytesOf(value: bigint): Uint8Array {
  return unpadBytes(Buffer.from(value.toString(16).padStart(64, '0'), 'hex'))
}
