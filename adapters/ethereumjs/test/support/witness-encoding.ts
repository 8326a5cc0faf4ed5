// Witness files made by hand, as docs/witness-format.md has them.

import { crc32 } from 'node:zlib'

export interface Content {
  readonly chainId: bigint
  readonly number: bigint
  readonly blockHash: Uint8Array
  readonly block: Uint8Array
  readonly chainConfig: Uint8Array
  readonly nodes: readonly Uint8Array[]
  readonly codes: readonly Uint8Array[]
  readonly headers: readonly Uint8Array[]
  readonly prestate?: Uint8Array | undefined
}

const HEADER_LENGTH = 64
const ENTRY_LENGTH = 24

export function encodeWitnessFile(content: Content): Buffer {
  const sections: [number, Uint8Array][] = [
    [1, content.block],
    [2, encodeWitness(content)],
    [3, content.chainConfig],
  ]
  if (content.prestate !== undefined) sections.push([4, content.prestate])
  return encodeSections(content, sections)
}

/** A file with these sections, whatever they are. */
export function encodeSections(content: Content, sections: readonly [number, Uint8Array][]): Buffer {
  const table = Buffer.alloc(ENTRY_LENGTH * sections.length)
  const parts: Uint8Array[] = []
  let position = HEADER_LENGTH + table.length
  for (const [index, [kind, bytes]] of sections.entries()) {
    const padding = (8 - (position % 8)) % 8
    position += padding
    table.writeUInt32LE(kind, index * ENTRY_LENGTH)
    table.writeUInt32LE(crc32(bytes), index * ENTRY_LENGTH + 4)
    table.writeBigUInt64LE(BigInt(position), index * ENTRY_LENGTH + 8)
    table.writeBigUInt64LE(BigInt(bytes.length), index * ENTRY_LENGTH + 16)
    parts.push(Buffer.alloc(padding), bytes)
    position += bytes.length
  }
  const header = Buffer.alloc(HEADER_LENGTH)
  header.write('EVWF', 'latin1')
  header.writeUInt16LE(1, 4)
  header.writeUInt16LE(sections.length, 6)
  header.writeUInt32LE(position, 8)
  header.writeBigUInt64LE(content.chainId, 16)
  header.writeBigUInt64LE(content.number, 24)
  header.set(content.blockHash, 32)
  header.writeUInt32LE(crc32(table, crc32(header)), 12)
  return Buffer.concat([header, table, ...parts])
}

function encodeWitness({ nodes, codes, headers }: Content): Buffer {
  const lists = [nodes, codes, headers].map(encodeList)
  const offsets = Buffer.alloc(12)
  let position = 12
  for (const [index, list] of lists.entries()) {
    offsets.writeUInt32LE(position, index * 4)
    position += list.length
  }
  return Buffer.concat([offsets, ...lists])
}

function encodeList(elements: readonly Uint8Array[]): Buffer {
  const offsets = Buffer.alloc(4 * elements.length)
  let position = offsets.length
  for (const [index, element] of elements.entries()) {
    offsets.writeUInt32LE(position, index * 4)
    position += element.length
  }
  return Buffer.concat([offsets, ...elements])
}
