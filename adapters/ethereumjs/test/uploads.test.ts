import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'

import fc from 'fast-check'

import { hex } from '../dist/hexadecimal.js'
import { MalformedUpload, Upload, UploadTooLarge } from '../dist/upload.js'
import { MAX_UPLOAD, Uploads } from '../dist/uploads.js'

const MIB = 2 ** 20
const NONE = new Uint8Array()

function digestOf(file: Uint8Array): Buffer {
  return createHash('sha256').update(file).digest()
}

function named(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte)
}

void test('a file in whatever parts is the file', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 8 }), (contents) => {
      const file = Buffer.concat(contents)
      const upload = new Upload()
      for (const [index, content] of contents.entries()) {
        upload.add({
          digest: index === 0 ? digestOf(file) : NONE,
          length: index === 0 ? file.length.toString() : '0',
          content,
        })
      }
      const whole = upload.finish()
      assert.equal(hex(whole.file), hex(file))
      assert.equal(hex(whole.digest), hex(digestOf(file)))
      assert.equal(whole.file.buffer.byteLength, file.length)
    }),
  )
})

void test('what is not as announced is refused', () => {
  const file = Buffer.from('a witness')
  const length = file.length.toString()
  const attempt = (...parts: Parameters<Upload['add']>[0][]): void => {
    const upload = new Upload()
    for (const part of parts) upload.add(part)
    upload.finish()
  }
  const first = { digest: digestOf(file), length, content: file }
  attempt(first)
  for (const [parts, reason] of [
    [[], /no part/u],
    [[{ ...first, digest: NONE }], /digest has 0 bytes/u],
    [[{ ...first, digest: named(1) }], /not 0x0101/u],
    [[{ ...first, length: '10' }], /9 bytes came, 10/u],
    [[{ ...first, length: '8' }], /more than the 8 bytes/u],
    [[first, { ...first, content: Buffer.from('!') }], /more than the 9 bytes/u],
    [[{ ...first, length: MAX_UPLOAD.toString(), content: new Uint8Array(MIB + 1) }], /a part of 1048577/u],
  ] as const) {
    assert.throws(
      () => {
        attempt(...parts)
      },
      (error) => error instanceof MalformedUpload && reason.test(error.message),
    )
  }
  assert.throws(() => {
    attempt({ ...first, length: (MAX_UPLOAD + 1).toString() })
  }, UploadTooLarge)
  assert.throws(() => {
    attempt({ ...first, length: (2n ** 64n - 1n).toString() })
  }, UploadTooLarge)
})

void test('the last four are held, however large; the least recently used is forgotten first', () => {
  const uploads = new Uploads()
  const large = new Uint8Array(20 * MIB)
  for (let name = 1; name <= 4; name++) uploads.put(named(name), large)
  assert.equal(uploads.get(named(1)), large)
  uploads.put(named(5), large)
  assert.equal(uploads.get(named(2)), undefined)
  for (const name of [1, 3, 4, 5]) assert.equal(uploads.get(named(name)), large)
  uploads.put(named(1), large) // again: in use, not held twice
  uploads.put(named(6), NONE)
  assert.equal(uploads.get(named(3)), undefined)
  assert.equal(uploads.get(named(1)), large)
})

void test('small ones are held up to 64 MiB', () => {
  const uploads = new Uploads()
  const small = new Uint8Array(MIB)
  for (let name = 0; name < 64; name++) uploads.put(named(name), small)
  assert.equal(uploads.get(named(0)), small)
  uploads.put(named(64), small)
  assert.equal(uploads.get(named(1)), undefined)
  assert.equal(uploads.get(named(0)), small)
})
