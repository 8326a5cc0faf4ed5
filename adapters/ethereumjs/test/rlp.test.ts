import assert from 'node:assert/strict'
import { test } from 'node:test'

import { RLP, type NestedUint8Array } from '@ethereumjs/rlp'
import fc from 'fast-check'

import { MalformedRlp, decode, itemsOf, quantity, type Decoded } from '../dist/rlp.js'

const { nested } = fc.letrec<{ nested: NestedUint8Array; item: Uint8Array | NestedUint8Array }>((tie) => ({
  item: fc.oneof({ maxDepth: 6 }, fc.uint8Array({ maxLength: 70 }), tie('nested')),
  nested: fc.array(tie('item'), { maxLength: 4 }),
}))

function buffers(item: Decoded | NestedUint8Array): unknown {
  return item instanceof Uint8Array ? Buffer.from(item) : item.map((each) => buffers(each))
}

void test('decodes what the client encodes', () => {
  fc.assert(
    fc.property(nested, (value) => {
      assert.deepEqual(buffers(decode(RLP.encode(value))), buffers(value))
    }),
  )
})

void test('whatever is decoded is the one encoding of its value', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        assert.deepEqual(Buffer.from(RLP.encode(decode(bytes))), Buffer.from(bytes))
      } catch (error) {
        assert.ok(error instanceof MalformedRlp, String(error))
      }
    }),
    { numRuns: 5000 },
  )
})

void test('a change of one byte never gives the same value', () => {
  fc.assert(
    fc.property(nested, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, change) => {
      const bytes = RLP.encode(value)
      bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ change
      try {
        assert.notDeepEqual(buffers(decode(bytes)), buffers(value))
      } catch (error) {
        assert.ok(error instanceof MalformedRlp, String(error))
      }
    }),
  )
})

for (const [what, encoded] of Object.entries({
  nothing: '',
  'a byte with a prefix': '8105',
  'a short string in the long form': 'b80161',
  'a length that starts with zero': 'b90001',
  'a list cut off': 'c2c0',
  'a string cut off': '83aabb',
  'bytes after the end': '8000',
  'a length beyond the bytes': 'bfffffffffffffffff',
  'a list in a short long form': 'f800',
})) {
  void test(`refuses ${what}`, () => {
    assert.throws(() => decode(Buffer.from(encoded, 'hex')), MalformedRlp)
  })
}

void test('refuses lists that nest without end, and does not run out of stack', () => {
  let bytes = Buffer.from([0xc0])
  for (let depth = 0; depth < 20_000; depth++) {
    const { length } = bytes
    const prefix = length < 56 ? [0xc0 + length] : [0xf9, length >> 8, length & 0xff]
    bytes = Buffer.concat([Buffer.from(length < 56 || length > 255 ? prefix : [0xf8, length]), bytes])
    if (length > 60_000) break
  }
  assert.throws(() => decode(bytes), /nest/u)
})

void test('quantities have no leading zeros and a width', () => {
  assert.equal(quantity(Buffer.from('0100', 'hex'), 2), 256n)
  assert.equal(quantity(new Uint8Array(), 2), 0n)
  assert.throws(() => quantity(Buffer.from('0001', 'hex'), 2), MalformedRlp)
  assert.throws(() => quantity(Buffer.from('010000', 'hex'), 2), MalformedRlp)
  assert.throws(() => itemsOf(Buffer.from('80', 'hex')), /not a list/u)
})
