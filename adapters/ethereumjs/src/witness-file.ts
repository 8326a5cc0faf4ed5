// The witness file, version 1: read, checked, and its sections found. docs/witness-format.md describes it.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { crc32 } from 'node:zlib'

const MAGIC = 'EVWF'
const VERSION = 1
const HEADER_LENGTH = 64 // bytes
const ENTRY_LENGTH = 24 // bytes, of the section table
const CHECKSUM_AT = 12
const MAX_SECTIONS = 64
const MAX_LENGTH = 2 ** 30 // bytes
const MAX_ELEMENTS = 2 ** 24 // a list of the witness section
const ALIGNMENT = 8
const BLOCK = 1
const WITNESS = 2
const CHAIN_CONFIG = 3
const PRESTATE = 4

/** Why a file is refused, in one line. */
export class DamagedFile extends Error {}

/** A checked witness file. Its parts are views on the bytes that were read: nothing is copied. */
export interface WitnessFile {
  readonly chainId: bigint
  readonly number: bigint
  readonly blockHash: Uint8Array
  /** RLP `[header, transactions, uncles, withdrawals?]`. */
  readonly block: Uint8Array
  /** The `config` object of a geth genesis, JSON. */
  readonly chainConfig: Uint8Array
  readonly nodes: Uint8Array[]
  readonly codes: Uint8Array[]
  /** RLP, ascending, the parent last. */
  readonly headers: Uint8Array[]
  /** RLP: accounts and slots before the block; `prestate.ts` reads it. */
  readonly prestate: Uint8Array | undefined
}

/** Reads `path`. Only a regular file is opened; a FIFO or device in its place does not hang. */
export function readWitnessFile(path: string): WitnessFile {
  return parseWitnessFile(readAll(path))
}

function readAll(path: string): Buffer {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const status = fstatSync(descriptor)
    if (!status.isFile()) throw new DamagedFile(`${path}: not a regular file`)
    if (status.size < HEADER_LENGTH || status.size > MAX_LENGTH) {
      throw new DamagedFile(`${status.size} bytes is no size of a witness file`)
    }
    const content = Buffer.allocUnsafeSlow(status.size)
    let filled = 0
    while (filled < content.length) {
      const count = readSync(descriptor, content, filled, content.length - filled, filled)
      if (count === 0) throw new DamagedFile(`${path}: ends after ${filled} of ${content.length} bytes`)
      filled += count
    }
    return content
  } catch (error) {
    if (error instanceof DamagedFile) throw error
    throw new DamagedFile(error instanceof Error ? error.message : String(error))
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

/** The same for bytes that came with the request. */
export function parseWitnessFile(content: Uint8Array): WitnessFile {
  const data = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  const sections = readSections(data, readHeader(data))
  const [nodes, codes, headers] = readWitness(required(sections, WITNESS))
  return {
    chainId: data.readBigUInt64LE(16),
    number: data.readBigUInt64LE(24),
    blockHash: data.subarray(32, 64),
    block: required(sections, BLOCK),
    chainConfig: required(sections, CHAIN_CONFIG),
    nodes,
    codes,
    headers,
    prestate: sections.get(PRESTATE),
  }
}

function required(sections: Map<number, Buffer>, kind: number): Buffer {
  const section = sections.get(kind)
  if (section === undefined) throw new DamagedFile(`required section ${kind} is missing`)
  return section
}

/** Checks header and section table but for the sections' places; returns the section count. */
function readHeader(data: Buffer): number {
  if (data.length < HEADER_LENGTH) throw new DamagedFile(`${data.length} bytes, too short for a witness file`)
  if (data.toString('latin1', 0, 4) !== MAGIC) throw new DamagedFile('not a witness file (wrong magic)')
  const version = data.readUInt16LE(4)
  if (version !== VERSION) {
    throw new DamagedFile(`version ${version} of the witness file is not known, only ${VERSION}`)
  }
  const total = data.readUInt32LE(8)
  if (total !== data.length || total > MAX_LENGTH) {
    throw new DamagedFile(`${data.length} bytes, the header says ${total} (at most ${MAX_LENGTH})`)
  }
  const count = data.readUInt16LE(6)
  const tableEnd = HEADER_LENGTH + ENTRY_LENGTH * count
  if (count === 0 || count > MAX_SECTIONS || tableEnd > total) {
    throw new DamagedFile(`section count ${count} is out of bounds`)
  }
  const zeroed = crc32(Buffer.alloc(4), crc32(data.subarray(0, CHECKSUM_AT)))
  if (crc32(data.subarray(CHECKSUM_AT + 4, tableEnd), zeroed) !== data.readUInt32LE(CHECKSUM_AT)) {
    throw new DamagedFile('checksum of the header and section table is wrong')
  }
  return count
}

/** Every section by its kind, all checks of the table and of the sections' checksums done. */
function readSections(data: Buffer, count: number): Map<number, Buffer> {
  const sections = new Map<number, Buffer>()
  let position = HEADER_LENGTH + ENTRY_LENGTH * count
  let previous = -1
  for (let entry = HEADER_LENGTH; entry < HEADER_LENGTH + ENTRY_LENGTH * count; entry += ENTRY_LENGTH) {
    const kind = data.readUInt32LE(entry)
    if (kind <= previous) throw new DamagedFile('section kinds are not in ascending order')
    previous = kind
    const start = Math.ceil(position / ALIGNMENT) * ALIGNMENT
    // Exact below 2^53, and what is above is beyond the file's end all the same.
    const end = start + Number(data.readBigUInt64LE(entry + 16))
    if (data.readBigUInt64LE(entry + 8) !== BigInt(start) || end > data.length) {
      throw new DamagedFile(`section ${kind} is not at its place`)
    }
    if (data.subarray(position, start).some((byte) => byte !== 0)) {
      throw new DamagedFile(`padding before section ${kind} is not zero`)
    }
    const section = data.subarray(start, end)
    if (crc32(section) !== data.readUInt32LE(entry + 4)) throw new DamagedFile(`checksum of section ${kind} is wrong`)
    sections.set(kind, section)
    position = end
  }
  if (position !== data.length) throw new DamagedFile(`${data.length - position} bytes after the last section`)
  return sections
}

/** The elements of `state`, `codes` and `headers` of the SSZ container. */
function readWitness(section: Buffer): [Buffer[], Buffer[], Buffer[]] {
  if (section.length < 12) throw new DamagedFile('witness section is truncated')
  const [state, codes, headers] = [0, 4, 8].map((at) => section.readUInt32LE(at)) as [number, number, number]
  if (state !== 12 || codes < state || headers < codes || section.length < headers) {
    throw new DamagedFile('witness section has wrong offsets')
  }
  return [
    readList(section.subarray(state, codes), 'state'),
    readList(section.subarray(codes, headers), 'codes'),
    readList(section.subarray(headers), 'headers'),
  ]
}

function readList(list: Buffer, name: string): Buffer[] {
  if (list.length === 0) return []
  const first = list.length < 4 ? 0 : list.readUInt32LE(0)
  if (first === 0 || first % 4 !== 0 || first > list.length || first / 4 > MAX_ELEMENTS) {
    throw new DamagedFile(`witness list ${name} has a wrong first offset ${first}`)
  }
  const elements: Buffer[] = []
  let start = first
  for (let at = 4; at <= first; at += 4) {
    const next = at === first ? list.length : list.readUInt32LE(at)
    if (next < start || next > list.length) {
      throw new DamagedFile(`witness list ${name} has offsets out of order or out of bounds`)
    }
    elements.push(list.subarray(start, next))
    start = next
  }
  return elements
}
