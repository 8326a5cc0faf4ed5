import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MapDB, ValueEncoding } from '@ethereumjs/util'
import { MerklePatriciaTrie, decodeMPTNode } from '@ethereumjs/mpt'
import fc from 'fast-check'

import { malformation } from '../dist/node-form.js'

const HASH = Buffer.concat([Buffer.from([0xa0]), Buffer.alloc(32, 7)])
const EMBEDDED = Buffer.from('c23105', 'hex')

function list(...items: Buffer[]): Buffer {
  const payload = Buffer.concat(items)
  return Buffer.concat([Buffer.from(payload.length < 56 ? [0xc0 + payload.length] : [0xf8, payload.length]), payload])
}

function branch(children: Buffer[], value = Buffer.from([0x80])): Buffer {
  return list(...children, ...Array.from({ length: 16 - children.length }, () => Buffer.from([0x80])), value)
}

void test('every node that the client writes has the form of one', async () => {
  const keys = fc.uniqueArray(fc.bigInt({ min: 0n, max: 2n ** 64n }), { minLength: 1, maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(keys, async (slots) => {
      const nodes = new Map<string, Uint8Array>()
      const trie = new MerklePatriciaTrie({
        useKeyHashing: true,
        db: new MapDB(nodes),
        valueEncoding: ValueEncoding.Bytes,
      })
      for (const slot of slots)
        await trie.put(Buffer.from(slot.toString(16).padStart(64, '0'), 'hex'), Buffer.from([5]))
      for (const node of nodes.values()) assert.equal(malformation(node), undefined)
    }),
    { numRuns: 30 },
  )
})

void test('accepts each kind of node', () => {
  for (const node of [branch([HASH, HASH]), branch([EMBEDDED, HASH]), EMBEDDED, list(Buffer.from([0x11]), HASH)]) {
    assert.equal(malformation(node), undefined, node.toString('hex'))
  }
})

const REFUSED: Record<string, Buffer> = {
  nothing: Buffer.alloc(0),
  'the empty string': Buffer.from([0x80]),
  'the empty list': Buffer.from([0xc0]),
  'one item': list(HASH),
  'eighteen items': list(...Array.from({ length: 18 }, () => HASH)),
  'a branch with a value': branch([HASH, HASH], Buffer.from([5])),
  'a branch with one child': branch([HASH]),
  'a list as a path': list(EMBEDDED, HASH),
  'an empty path': list(Buffer.from([0x80]), HASH),
  'an unknown flag': list(Buffer.from([0x40]), HASH),
  'padding that is not zero': list(Buffer.from([0x21]), HASH),
  'a leaf without a value': list(Buffer.from([0x31]), Buffer.from([0x80])),
  'a leaf with a list': list(Buffer.from([0x31]), EMBEDDED),
  'an extension of no nibbles': list(Buffer.from([0x00]), HASH),
  'an extension without a child': list(Buffer.from([0x11]), Buffer.from([0x80])),
  'bytes after the end': Buffer.concat([branch([HASH, HASH]), Buffer.alloc(1)]),
  'a long embedded node': branch([list(Buffer.from([0x31]), HASH), HASH]),
}
for (const [what, node] of Object.entries(REFUSED)) {
  void test(`refuses ${what}`, () => {
    assert.notEqual(malformation(node), undefined)
  })
}

void test('refuses references that are neither a hash nor a node', () => {
  for (let length = 1; length < 80; length++) {
    if (length === 32) continue
    const prefix = length < 56 ? [0x80 + length] : [0xb8, length]
    const child = Buffer.concat([Buffer.from(prefix), Buffer.alloc(length, 0xaa)])
    assert.notEqual(malformation(branch([child, HASH])), undefined, String(length))
  }
})

void test('what passes is decoded by the client to the same bytes', () => {
  const starts = [branch([HASH, EMBEDDED, HASH]), list(Buffer.from([0x11]), HASH), EMBEDDED]
  fc.assert(
    fc.property(fc.constantFrom(...starts), fc.nat(), fc.nat(255), fc.nat(3), (start, at, byte, cut) => {
      const node = Buffer.from(start)
      node[at % node.length] = byte
      const changed = node.subarray(0, node.length - cut)
      if (malformation(changed) === undefined) {
        assert.deepEqual(Buffer.from(decodeMPTNode(changed).serialize()), Buffer.from(changed))
      }
    }),
    { numRuns: 3000 },
  )
})
