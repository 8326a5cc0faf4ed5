// Bytes as hexadecimal text: without a prefix as keys of maps, with one for people.

/** Lower-case digits, no prefix. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** The same with `0x` before it. */
export function prefixed(bytes: Uint8Array): `0x${string}` {
  return `0x${hex(bytes)}`
}

export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0
}
