// The prestate section: accounts and slots before the block, without proofs. docs/witness-format.md describes it.

import { KECCAK256_RLP } from '@ethereumjs/util'

import { hex, sameBytes } from './hexadecimal.js'
import { MalformedRlp, itemsOf, itemsWithin, quantity, type Span } from './rlp.js'

const ADDRESS_LENGTH = 20 // bytes
const HASH_LENGTH = 32 // bytes
const ACCOUNT_ITEMS = 6
const NONCE_WIDTH = 8 // bytes, EIP-2681
const VALUE_WIDTH = 32 // bytes

export interface PreAccount {
  readonly nonce: bigint
  readonly balance: bigint // wei
  readonly storageRoot: Uint8Array
  readonly codeHash: Uint8Array
  /** Values by key, both as they stand in the section: big-endian, without leading zeros. Keys in lower-case hexadecimal. */
  readonly slots: ReadonlyMap<string, Uint8Array>
}

/** By address in lower-case hexadecimal; undefined where there is no such account. What is not listed is unknown. */
export type Prestate = ReadonlyMap<string, PreAccount | undefined>

/** Reads the section. Throws MalformedRlp unless it is exactly as documented. */
export function parsePrestate(section: Uint8Array): Prestate {
  const accounts = new Map<string, PreAccount | undefined>()
  let previous: Uint8Array | undefined
  for (const entry of itemsOf(section)) {
    const items = itemsOfList(section, entry, 'an entry')
    const address = fixed(section, items[0], ADDRESS_LENGTH, 'an address')
    checkOrder(previous, address, 'addresses')
    previous = address
    if (items.length !== 1 && items.length !== ACCOUNT_ITEMS) {
      throw new MalformedRlp(`an entry of ${items.length} items, not 1 or ${ACCOUNT_ITEMS}`)
    }
    accounts.set(hex(address), items.length === 1 ? undefined : parseAccount(section, items))
  }
  return accounts
}

function parseAccount(section: Uint8Array, items: readonly Span[]): PreAccount {
  const storageRoot = fixed(section, items[3], HASH_LENGTH, 'a storage root')
  const slots = parseSlots(section, items[5] as Span)
  if (sameBytes(storageRoot, KECCAK256_RLP)) {
    for (const [key, value] of slots) {
      if (value.length > 0) throw new MalformedRlp(`slot 0x${key} has a value where the storage root is of no slots`)
    }
  }
  return {
    nonce: quantity(bytesOf(section, items[1], 'a nonce'), NONCE_WIDTH),
    balance: quantity(bytesOf(section, items[2], 'a balance'), VALUE_WIDTH),
    storageRoot,
    codeHash: fixed(section, items[4], HASH_LENGTH, 'a code hash'),
    slots,
  }
}

function parseSlots(section: Uint8Array, list: Span): Map<string, Uint8Array> {
  const slots = new Map<string, Uint8Array>()
  let previous: Uint8Array | undefined
  for (const pair of itemsOfList(section, list, 'the slots')) {
    const items = itemsOfList(section, pair, 'a slot')
    if (items.length !== 2) throw new MalformedRlp(`a slot of ${items.length} items, not key and value`)
    const key = fixed(section, items[0], HASH_LENGTH, 'a key')
    checkOrder(previous, key, 'keys')
    previous = key
    const value = bytesOf(section, items[1], 'a value')
    quantity(value, VALUE_WIDTH)
    slots.set(hex(key), value)
  }
  return slots
}

function checkOrder(previous: Uint8Array | undefined, next: Uint8Array, names: string): void {
  if (previous !== undefined && Buffer.compare(previous, next) >= 0) {
    throw new MalformedRlp(`${names} are not in ascending order`)
  }
}

function itemsOfList(section: Uint8Array, span: Span, name: string): Span[] {
  if (!span.isList) throw new MalformedRlp(`${name} is no list`)
  return itemsWithin(section, span)
}

function bytesOf(section: Uint8Array, span: Span | undefined, name: string): Uint8Array {
  if (span === undefined || span.isList) throw new MalformedRlp(`${name} is missing or a list`)
  return section.subarray(span.payload, span.end)
}

function fixed(section: Uint8Array, span: Span | undefined, length: number, name: string): Uint8Array {
  const bytes = bytesOf(section, span, name)
  if (bytes.length !== length) throw new MalformedRlp(`${name} has ${bytes.length} bytes, not ${length}`)
  return bytes
}
