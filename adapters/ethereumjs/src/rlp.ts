// RLP (yellow paper, appendix B), read strictly: one encoding for each value, and nothing after it.
//
// The client's own decoder forgives some of what is not canonical, and recurses without a bound.

/** Bytes that are not canonical RLP. */
export class MalformedRlp extends Error {}

/** Where an item lies: its prefix starts at `start`, its payload at `payload`, and it ends before `end`. */
export interface Span {
  readonly isList: boolean
  readonly start: number
  readonly payload: number
  readonly end: number
}

export type Decoded = Uint8Array | Decoded[]

const LONGEST_SHORT = 55 // bytes; longer payloads have their length in bytes of its own
/** A block nests lists six deep (an access list's slots); more is none, and would exhaust the stack. */
const MAX_DEPTH = 16

/** The item at `start`, which has to end at `limit` or before. */
export function spanAt(bytes: Uint8Array, start: number, limit: number): Span {
  const prefix = bytes[start]
  if (prefix === undefined || start >= limit) throw new MalformedRlp('an item is missing')
  if (prefix < 0x80) return { isList: false, start, payload: start, end: start + 1 }
  const isList = prefix >= 0xc0
  const short = prefix - (isList ? 0xc0 : 0x80)
  let payload = start + 1
  let length = short
  if (short > LONGEST_SHORT) {
    const width = short - LONGEST_SHORT
    payload += width
    if (payload > limit) throw new MalformedRlp('a length is cut off')
    if (bytes[start + 1] === 0) throw new MalformedRlp('a length starts with zero')
    if (width > 6) throw new MalformedRlp('a length is beyond all bounds')
    length = 0
    for (let at = start + 1; at < payload; at++) length = length * 256 + (bytes[at] as number)
    if (length <= LONGEST_SHORT) throw new MalformedRlp('a short length in the long form')
  }
  const end = payload + length
  if (end > limit) throw new MalformedRlp('an item is cut off')
  if (!isList && length === 1 && (bytes[payload] as number) < 0x80) {
    throw new MalformedRlp('a single byte with a prefix')
  }
  return { isList, start, payload, end }
}

/** The items of the list that `bytes` is. */
export function itemsOf(bytes: Uint8Array): Span[] {
  const list = spanAt(bytes, 0, bytes.length)
  if (!list.isList) throw new MalformedRlp('not a list')
  if (list.end !== bytes.length) throw new MalformedRlp(`${bytes.length - list.end} bytes after the end`)
  return itemsWithin(bytes, list)
}

/** The items of the list at `list`. */
export function itemsWithin(bytes: Uint8Array, list: Span): Span[] {
  const items: Span[] = []
  for (let at = list.payload; at < list.end;) {
    const item = spanAt(bytes, at, list.end)
    items.push(item)
    at = item.end
  }
  return items
}

/** Everything decoded, as views on `bytes`. */
export function decode(bytes: Uint8Array): Decoded {
  const whole = spanAt(bytes, 0, bytes.length)
  if (whole.end !== bytes.length) throw new MalformedRlp(`${bytes.length - whole.end} bytes after the end`)
  return decodeSpan(bytes, whole, 0)
}

function decodeSpan(bytes: Uint8Array, span: Span, depth: number): Decoded {
  if (!span.isList) return bytes.subarray(span.payload, span.end)
  if (depth === MAX_DEPTH) throw new MalformedRlp(`lists nest more than ${MAX_DEPTH} deep`)
  return itemsWithin(bytes, span).map((item) => decodeSpan(bytes, item, depth + 1))
}

/** A quantity: big-endian, no leading zeros, at most `width` bytes. */
export function quantity(payload: Uint8Array, width: number): bigint {
  if (payload.length > width) throw new MalformedRlp(`a number of ${payload.length} bytes, at most ${width}`)
  if (payload[0] === 0) throw new MalformedRlp('a number starts with zero')
  let value = 0n
  for (const byte of payload) value = (value << 8n) | BigInt(byte)
  return value
}
