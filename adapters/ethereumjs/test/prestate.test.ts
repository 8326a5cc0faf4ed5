import assert from 'node:assert/strict'
import { test } from 'node:test'

import { RLP, type NestedUint8Array } from '@ethereumjs/rlp'
import { KECCAK256_NULL, KECCAK256_RLP } from '@ethereumjs/util'
import fc from 'fast-check'

import { hex } from '../dist/hexadecimal.js'
import { parsePrestate } from '../dist/prestate.js'
import { MalformedRlp } from '../dist/rlp.js'
import { encodePrestate, type Recording } from './support/prestate-recording.js'

const ROOT = new Uint8Array(32).fill(0x11)
const ADDRESS = new Uint8Array(20).fill(0xaa)
const KEY = new Uint8Array(32)

const fixed = (length: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => hex(bytes))
const value = fc.uint8Array({ maxLength: 32 }).filter(([first]) => first !== 0)
const account = fc.record({
  nonce: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  balance: fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
  storageRoot: fixed(32).map((digits) => new Uint8Array(Buffer.from(digits, 'hex'))),
  codeHash: fixed(32).map((digits) => new Uint8Array(Buffer.from(digits, 'hex'))),
  slots: fc.dictionary(fixed(32), value, { maxKeys: 5 }).map((slots) => new Map(Object.entries(slots))),
})
const prestate: fc.Arbitrary<Recording> = fc
  .dictionary(fixed(20), fc.option(account, { nil: undefined }), { maxKeys: 6 })
  .map((accounts) => new Map(Object.entries(accounts)))

void test('what is encoded is read again', () => {
  fc.assert(
    fc.property(prestate, (accounts) => {
      const read = parsePrestate(encodePrestate(accounts))
      assert.equal(read.size, accounts.size)
      for (const [address, expected] of accounts) {
        const got = read.get(address)
        assert.equal(got === undefined, expected === undefined)
        if (got === undefined || expected === undefined) continue
        assert.deepEqual([got.nonce, got.balance], [expected.nonce, expected.balance])
        assert.deepEqual([hex(got.storageRoot), hex(got.codeHash)], [hex(expected.storageRoot), hex(expected.codeHash)])
        assert.deepEqual(
          [...got.slots].map(([key, slot]) => `${key} ${hex(slot)}`),
          [...expected.slots].map(([key, slot]) => `${key} ${hex(slot)}`).sort(),
        )
      }
    }),
  )
})

void test('one encoding a content: what is read again encodes to the same bytes', () => {
  fc.assert(
    fc.property(prestate, fc.nat(), fc.integer({ min: 1, max: 255 }), (accounts, at, change) => {
      const section = new Uint8Array(encodePrestate(accounts))
      section[at % section.length] = (section[at % section.length] as number) ^ change
      let read
      try {
        read = parsePrestate(section)
      } catch (error) {
        assert.ok(error instanceof MalformedRlp)
        return
      }
      assert.equal(hex(encodePrestate(read as Recording)), hex(section))
    }),
    { numRuns: 500 },
  )
})

void test('whatever the bytes, they are read or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        parsePrestate(bytes)
      } catch (error) {
        assert.ok(error instanceof MalformedRlp)
      }
    }),
    { numRuns: 1000 },
  )
})

const NONE = new Uint8Array()
const SLOT = [KEY, Uint8Array.of(1)]
const OTHER = new Uint8Array(20).fill(0xbb)
for (const [what, entries] of [
  ['an entry that is no list', [ADDRESS]],
  ['an address of 19 bytes', [[ADDRESS.subarray(1)]]],
  ['five items', [[ADDRESS, NONE, NONE, ROOT, KECCAK256_NULL]]],
  ['seven items', [[ADDRESS, NONE, NONE, ROOT, KECCAK256_NULL, [], NONE]]],
  ['a nonce that starts with zero', [[ADDRESS, Uint8Array.of(0), NONE, ROOT, KECCAK256_NULL, []]]],
  ['a nonce of nine bytes', [[ADDRESS, new Uint8Array(9).fill(1), NONE, ROOT, KECCAK256_NULL, []]]],
  ['a balance of 33 bytes', [[ADDRESS, NONE, new Uint8Array(33).fill(1), ROOT, KECCAK256_NULL, []]]],
  ['a balance that is a list', [[ADDRESS, NONE, [], ROOT, KECCAK256_NULL, []]]],
  ['a short root', [[ADDRESS, NONE, NONE, ROOT.subarray(1), KECCAK256_NULL, []]]],
  ['a short code hash', [[ADDRESS, NONE, NONE, ROOT, NONE, []]]],
  ['slots that are no list', [[ADDRESS, NONE, NONE, ROOT, KECCAK256_NULL, NONE]]],
  ['a slot of three items', [[ADDRESS, NONE, NONE, ROOT, KECCAK256_NULL, [[KEY, NONE, NONE]]]]],
  ['a short key', [[ADDRESS, NONE, NONE, ROOT, KECCAK256_NULL, [[KEY.subarray(1), NONE]]]]],
  ['a value that starts with zero', [[ADDRESS, NONE, NONE, ROOT, KECCAK256_NULL, [[KEY, Uint8Array.of(0)]]]]],
  ['a key twice', [[ADDRESS, NONE, NONE, ROOT, KECCAK256_NULL, [SLOT, SLOT]]]],
  ['addresses in descending order', [[OTHER], [ADDRESS]]],
  ['an address twice', [[ADDRESS], [ADDRESS]]],
  ['a value in an account without slots', [[ADDRESS, NONE, NONE, KECCAK256_RLP, KECCAK256_NULL, [SLOT]]]],
] as const) {
  void test(`refuses ${what}`, () => {
    assert.throws(() => parsePrestate(RLP.encode(entries as unknown as NestedUint8Array)), MalformedRlp)
  })
}

void test('refuses bytes after the end, and a section that is no list', () => {
  assert.throws(() => parsePrestate(Buffer.from('c000', 'hex')), MalformedRlp)
  assert.throws(() => parsePrestate(Buffer.from('80', 'hex')), MalformedRlp)
  assert.throws(() => parsePrestate(new Uint8Array()), MalformedRlp)
  assert.equal(parsePrestate(Buffer.from('c0', 'hex')).size, 0)
})
