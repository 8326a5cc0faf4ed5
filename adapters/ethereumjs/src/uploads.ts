// Witness files that were uploaded, in memory, by their SHA-256.

import { hex } from './hexadecimal.js'

const MIB = 2 ** 20

/** Bytes of one file; the contract asks for as much. */
export const MAX_UPLOAD = 256 * MIB
/** Both have to be exceeded before an upload is forgotten: the contract asks for the last four, and for 64 MiB of them. */
const LEAST_COUNT = 4
const LEAST_BYTES = 64 * MIB

export class Uploads {
  /** The least recently used first. */
  private readonly files = new Map<string, Uint8Array>()
  private bytes = 0

  /** The file with this digest; undefined where it is not held. */
  get(digest: Uint8Array): Uint8Array | undefined {
    const name = hex(digest)
    const file = this.files.get(name)
    if (file === undefined) return undefined
    this.files.delete(name)
    this.files.set(name, file)
    return file
  }

  put(digest: Uint8Array, file: Uint8Array): void {
    if (this.get(digest) !== undefined) return
    this.files.set(hex(digest), file)
    this.bytes += file.length
    for (const [name, oldest] of this.files) {
      if (this.files.size <= LEAST_COUNT || this.bytes <= LEAST_BYTES) return
      this.files.delete(name)
      this.bytes -= oldest.length
    }
  }
}
