import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import fc from 'fast-check'

import { DamagedFile, parseWitnessFile, readWitnessFile } from '../dist/witness-file.js'
import { encodeSections, encodeWitnessFile, type Content } from './support/witness-encoding.js'
import { temporaryFolder } from './support/temporary-folder.js'

const bytes = (maxLength = 40): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })
const lists = fc.array(bytes(), { maxLength: 6 })
const contents: fc.Arbitrary<Content> = fc.record({
  chainId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  number: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  blockHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  block: bytes(200),
  chainConfig: bytes(100),
  nodes: lists,
  codes: lists,
  headers: lists,
})
const EXAMPLE: Content = {
  chainId: 7n,
  number: 2n,
  blockHash: new Uint8Array(32).fill(3),
  block: Buffer.from('a block'),
  chainConfig: Buffer.from('{}'),
  nodes: [Buffer.from('node'), Buffer.from('other')],
  codes: [],
  headers: [Buffer.from('header')],
}

void test('reads what was written', () => {
  fc.assert(
    fc.property(contents, (content) => {
      const file = parseWitnessFile(encodeWitnessFile(content))
      const plain = (value: unknown): unknown =>
        JSON.parse(JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each)))
      const uniform = (from: Content): unknown =>
        plain({
          ...from,
          ...Object.fromEntries(
            (['blockHash', 'block', 'chainConfig'] as const).map((name) => [name, Buffer.from(from[name])]),
          ),
          ...Object.fromEntries(
            (['nodes', 'codes', 'headers'] as const).map((name) => [name, from[name].map((each) => Buffer.from(each))]),
          ),
        })
      assert.deepEqual(uniform(file), uniform(content))
    }),
  )
})

void test('refuses every file with a changed byte', () => {
  fc.assert(
    fc.property(contents, fc.nat(), fc.integer({ min: 1, max: 255 }), (content, at, change) => {
      const encoded = encodeWitnessFile(content)
      const place = at % encoded.length
      encoded[place] = (encoded[place] as number) ^ change
      assert.throws(() => parseWitnessFile(encoded), DamagedFile)
    }),
  )
})

void test('refuses every file cut short or made longer', () => {
  const encoded = encodeWitnessFile(EXAMPLE)
  for (let length = 0; length < encoded.length; length++) {
    assert.throws(() => parseWitnessFile(encoded.subarray(0, length)), DamagedFile)
  }
  assert.throws(() => parseWitnessFile(Buffer.concat([encoded, Buffer.alloc(1)])), DamagedFile)
})

void test('says nothing but that garbage is damaged', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (garbage) => {
      assert.throws(() => parseWitnessFile(garbage), DamagedFile)
    }),
  )
})

void test('garbage behind right checksums is refused or read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (witness) => {
      const encoded = encodeSections(EXAMPLE, [
        [1, EXAMPLE.block],
        [2, witness],
        [3, EXAMPLE.chainConfig],
      ])
      try {
        const { nodes, codes, headers } = parseWitnessFile(encoded)
        const total = [...nodes, ...codes, ...headers].reduce((sum, each) => sum + each.length, 0)
        assert.ok(total <= witness.length)
      } catch (error) {
        assert.ok(error instanceof DamagedFile)
      }
    }),
    { numRuns: 1000 },
  )
})

void test('skips sections of kinds that it does not know, and misses those that it needs', () => {
  const { block, chainConfig } = EXAMPLE
  const witness = Buffer.from([12, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0])
  const complete: [number, Uint8Array][] = [
    [1, block],
    [2, witness],
    [3, chainConfig],
  ]
  assert.deepEqual(parseWitnessFile(encodeSections(EXAMPLE, [...complete, [99, Buffer.from('new')]])).nodes, [])
  for (const [kind] of complete) {
    const rest = complete.filter(([other]) => other !== kind)
    assert.throws(() => parseWitnessFile(encodeSections(EXAMPLE, rest)), /required section/u)
  }
  assert.throws(() => parseWitnessFile(encodeSections(EXAMPLE, complete.toReversed())), /ascending order/u)
})

void test('reads a file from disk, and nothing but a file', () => {
  const folder = temporaryFolder('witness')
  const path = join(folder, 'example.witness')
  writeFileSync(path, encodeWitnessFile(EXAMPLE))
  assert.equal(readWitnessFile(path).number, 2n)
  assert.throws(() => readWitnessFile(folder), /not a regular file/u)
  assert.throws(() => readWitnessFile('/dev/null'), /not a regular file/u)
  assert.throws(() => readWitnessFile(join(folder, 'absent')), /ENOENT/u)
})
