// One upload on its way: the parts put together, and held to what the first one says.

import { createHash } from 'node:crypto'

import { prefixed, sameBytes } from './hexadecimal.js'
import type { UploadPart } from './messages.js'
import { MAX_UPLOAD } from './uploads.js'

const DIGEST_LENGTH = 32 // bytes, SHA-256
const MAX_PART = 2 ** 20 // bytes of content, by the protocol

/** What arrived is not what the first part announced, or is no upload. */
export class MalformedUpload extends Error {}

/** More than this adapter takes. */
export class UploadTooLarge extends Error {}

export class Upload {
  private readonly parts: Uint8Array[] = []
  private readonly hash = createHash('sha256')
  private announced: { readonly digest: Uint8Array; readonly length: number } | undefined
  private received = 0

  /** Throws MalformedUpload or UploadTooLarge. Room is taken for what came, not for what is announced. */
  add({ digest, length, content }: UploadPart): void {
    if (this.announced === undefined) {
      if (digest.length !== DIGEST_LENGTH) {
        throw new MalformedUpload(`the digest has ${digest.length} bytes, ${DIGEST_LENGTH} expected`)
      }
      if (BigInt(length) > MAX_UPLOAD) throw new UploadTooLarge(`${length} bytes, at most ${MAX_UPLOAD} are taken`)
      this.announced = { digest, length: Number(length) }
    }
    if (content.length > MAX_PART) {
      throw new MalformedUpload(`a part of ${content.length} bytes, at most ${MAX_PART} are allowed`)
    }
    this.received += content.length
    if (this.received > this.announced.length) {
      throw new MalformedUpload(`more than the ${this.announced.length} bytes that were announced`)
    }
    this.hash.update(content)
    this.parts.push(content)
  }

  /** The file, once all parts have come. Throws MalformedUpload. */
  finish(): { digest: Uint8Array; file: Uint8Array } {
    if (this.announced === undefined) throw new MalformedUpload('no part came')
    const { digest, length } = this.announced
    if (this.received !== length) throw new MalformedUpload(`${this.received} bytes came, ${length} were announced`)
    const found = this.hash.digest()
    if (!sameBytes(found, digest)) {
      throw new MalformedUpload(`what came has the digest ${prefixed(found)}, not ${prefixed(digest)}`)
    }
    return { digest, file: concatenated(this.parts, length) }
  }
}

/** In memory of its own: what goes to a worker is copied with all that it is a part of. */
function concatenated(parts: readonly Uint8Array[], length: number): Uint8Array {
  const file = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    file.set(part, at)
    at += part.length
  }
  return file
}
