// The header of a block, decoded strictly and without the client: what binds it, and what its rules are about.

import { MalformedRlp, itemsOf, quantity, spanAt } from './rlp.js'

/** The fields that every header has, in order, with their length in bytes; a range where it is not fixed. */
const FIELDS = [
  ['parentHash', 32],
  ['unclesHash', 32],
  ['coinbase', 20],
  ['stateRoot', 32],
  ['transactionsRoot', 32],
  ['receiptsRoot', 32],
  ['logsBloom', 256],
  ['difficulty', 'quantity', 32],
  ['number', 'quantity', 8],
  ['gasLimit', 'quantity', 8],
  ['gasUsed', 'quantity', 8],
  ['timestamp', 'quantity', 8],
  ['extraData', 'bytes'],
  ['mixHash', 32],
  ['nonce', 8],
] as const

/** Those that forks added. */
const ADDED_FIELDS = [
  ['baseFee', 'quantity', 32], // London, EIP-1559
  ['withdrawalsRoot', 32], // Shanghai, EIP-4895
  ['blobGasUsed', 'quantity', 8], // Cancun, EIP-4844
  ['excessBlobGas', 'quantity', 8], // Cancun, EIP-4844
  ['parentBeaconBlockRoot', 32], // Cancun, EIP-4788
  ['requestsHash', 32], // Prague, EIP-7685
] as const

export interface BlockFields {
  readonly parentHash: Uint8Array
  readonly unclesHash: Uint8Array
  readonly coinbase: Uint8Array
  readonly stateRoot: Uint8Array
  readonly transactionsRoot: Uint8Array
  readonly receiptsRoot: Uint8Array
  readonly logsBloom: Uint8Array
  readonly difficulty: bigint
  readonly number: bigint
  readonly gasLimit: bigint
  readonly gasUsed: bigint
  readonly timestamp: bigint
  readonly extraData: Uint8Array
  readonly mixHash: Uint8Array
  readonly nonce: Uint8Array
  readonly baseFee?: bigint
  readonly withdrawalsRoot?: Uint8Array
  readonly blobGasUsed?: bigint
  readonly excessBlobGas?: bigint
  readonly parentBeaconBlockRoot?: Uint8Array
  readonly requestsHash?: Uint8Array
}

/** What decides the fork of a block. */
export interface Position {
  readonly number: bigint
  readonly timestamp: bigint
  readonly difficulty: bigint
}

/** The header's RLP, cut out of the block's. Whatever follows it is for the block's rules. */
export function headerOf(block: Uint8Array): Uint8Array {
  const whole = spanAt(block, 0, block.length)
  if (!whole.isList) throw new MalformedRlp('not a list')
  const header = spanAt(block, whole.payload, whole.end)
  if (!header.isList) throw new MalformedRlp('does not start with a header')
  return block.subarray(header.start, header.end)
}

export function decodePosition(header: Uint8Array): Position {
  const values = payloads(header)
  const [difficulty, number, timestamp] = [7, 8, 11].map((place) => values[place])
  if (difficulty === undefined || number === undefined || timestamp === undefined) {
    throw new MalformedRlp(`a header of ${values.length} fields`)
  }
  return {
    difficulty: quantity(difficulty, 32),
    number: quantity(number, 8),
    timestamp: quantity(timestamp, 8),
  }
}

/** How many fields a header has. */
export function fieldCount(header: Uint8Array): number {
  return itemsOf(header).length
}

/** How many fields it has to have where `added` of those that forks added are there. */
export function expectedFieldCount(added: number): number {
  return FIELDS.length + added
}

/** The name of the field at `place`, for people. */
export function fieldName(place: number): string {
  return [...FIELDS, ...ADDED_FIELDS][place]?.[0] ?? `field ${place + 1}`
}

/** All fields; more of them than are known here are left for `fieldCount` to tell. */
export function decodeFields(header: Uint8Array): BlockFields {
  const values = payloads(header)
  if (values.length < FIELDS.length) throw new MalformedRlp(`a header of ${values.length} fields`)
  const fields: Record<string, bigint | Uint8Array> = {}
  for (const [place, [name, form, width]] of [...FIELDS, ...ADDED_FIELDS].entries()) {
    const payload = values[place]
    if (payload === undefined) break
    if (form === 'quantity') fields[name] = named(name, () => quantity(payload, width))
    else if (form === 'bytes' || payload.length === form) fields[name] = payload
    else throw new MalformedRlp(`${name} has ${payload.length} bytes, not ${form}`)
  }
  return fields as unknown as BlockFields
}

function named<Value>(name: string, read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    if (error instanceof MalformedRlp) throw new MalformedRlp(`${name}: ${error.message}`)
    throw error
  }
}

function payloads(header: Uint8Array): Uint8Array[] {
  return itemsOf(header).map((item) => {
    if (item.isList) throw new MalformedRlp('a list as a field of a header')
    return header.subarray(item.payload, item.end)
  })
}
