// Whether bytes have the form of a transaction: what tells RULE_BLOCK_ENCODING from RULE_TRANSACTION.
//
// The client's constructors decode and validate in one step, with a sentence for either. They are asked first; only what
// they refuse is looked at here.

import { isFrom, type Fork } from './chain-config.js'
import { MalformedRlp, decode, quantity, type Decoded } from './rlp.js'

/** A field's form: a number of at most so many bytes, an address, any bytes, or a list of its own form. */
type FieldForm = number | 'to' | 'address' | 'bytes' | 'access list' | 'hashes' | 'authorizations'

/** EIP-7702: chain id, address, nonce, signature. */
const AUTHORIZATION: readonly FieldForm[] = [32, 'address', 8, 1, 32, 32]
const LEGACY: readonly FieldForm[] = [8, 32, 8, 'to', 32, 'bytes', 32, 32, 32]
const TYPED: Readonly<Record<number, { first: Fork; fields: readonly FieldForm[] }>> = {
  1: { first: 'berlin', fields: [32, 8, 32, 8, 'to', 32, 'bytes', 'access list', 1, 32, 32] }, // EIP-2930
  2: { first: 'london', fields: [32, 8, 32, 32, 8, 'to', 32, 'bytes', 'access list', 1, 32, 32] }, // EIP-1559
  3: {
    first: 'cancun', // EIP-4844
    fields: [32, 8, 32, 32, 8, 'address', 32, 'bytes', 'access list', 32, 'hashes', 1, 32, 32],
  },
  4: {
    first: 'prague', // EIP-7702
    fields: [32, 8, 32, 32, 8, 'address', 32, 'bytes', 'access list', 'authorizations', 1, 32, 32],
  },
}

/** Why `item`, of a block's list of transactions, is none of this fork; undefined where it has the form of one. */
export function malformedTransaction(item: Decoded, fork: Fork): string | undefined {
  try {
    checkTransaction(item, fork)
    return undefined
  } catch (error) {
    if (error instanceof MalformedRlp) return error.message
    throw error
  }
}

function checkTransaction(item: Decoded, fork: Fork): void {
  if (Array.isArray(item)) {
    checkFields(item, LEGACY)
    return
  }
  const [type] = item
  const known = type === undefined ? undefined : TYPED[type]
  if (known === undefined || !isFrom(fork, known.first)) throw new MalformedRlp(`type ${type} is not of this fork`)
  checkFields(decode(item.subarray(1)), known.fields)
}

function checkFields(list: Decoded, forms: readonly FieldForm[]): void {
  const fields = asList(list)
  if (fields.length !== forms.length) throw new MalformedRlp(`${fields.length} fields, not ${forms.length}`)
  for (const [place, form] of forms.entries()) checkField(fields[place] as Decoded, form)
}

function checkField(field: Decoded, form: FieldForm): void {
  if (typeof form === 'number') quantity(asBytes(field), form)
  else if (form === 'bytes') asBytes(field)
  else if (form === 'to') checkLength(field, 0, 20)
  else if (form === 'address') checkLength(field, 20)
  else if (form === 'hashes') for (const hash of asList(field)) checkLength(hash, 32)
  else if (form === 'authorizations') for (const each of asList(field)) checkFields(each, AUTHORIZATION)
  else for (const entry of asList(field)) checkAccess(entry)
}

/** An entry of an access list: an address and its slots (EIP-2930). */
function checkAccess(entry: Decoded): void {
  const [address, slots, ...more] = asList(entry)
  if (address === undefined || slots === undefined || more.length > 0) {
    throw new MalformedRlp('an entry of an access list has two fields')
  }
  checkLength(address, 20)
  for (const slot of asList(slots)) checkLength(slot, 32)
}

function checkLength(field: Decoded, ...allowed: number[]): void {
  const { length } = asBytes(field)
  if (!allowed.includes(length)) throw new MalformedRlp(`${length} bytes, not ${allowed.join(' or ')}`)
}

function asBytes(item: Decoded): Uint8Array {
  if (Array.isArray(item)) throw new MalformedRlp('a list where bytes are expected')
  return item
}

function asList(item: Decoded): Decoded[] {
  if (!Array.isArray(item)) throw new MalformedRlp('bytes where a list is expected')
  return item
}
