// Public fixtures and chains from beside the checkout, on all forks. Without them the tests are skipped.
// ETHEREUMJS_ALL_FIXTURES=1 takes every test, and an hour.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import {
  KECCAK256_RLP,
  KECCAK256_RLP_ARRAY,
  bigIntToUnpaddedBytes,
  hexToBytes,
  type PrefixedHexString,
} from '@ethereumjs/util'
import { RLP } from '@ethereumjs/rlp'

import { decodePosition, headerOf } from '../dist/block-header.js'
import { ChainConfig } from '../dist/chain-config.js'
import { spanAt } from '../dist/rlp.js'
import { checkBothModes } from './support/both-modes.js'
import { FixtureChain, executeTest, readJson, type FixtureTest, type Outcome } from './support/fixture.js'

const DATA = fileURLToPath(new URL('../../../../shared/data', import.meta.url))
const skip = existsSync(DATA) ? false : 'needs ../shared/data'
const ALL = process.env['ETHEREUMJS_ALL_FIXTURES'] === '1'
const CANCUN_STRIDE = 97 // of 14,000 tests; all of every other fork's
/** Made to take long. */
const SLOW = /VMTests|TimeConsuming|Quadratic|stAttack|loop|50000|MemoryStress|stStaticCall|stRandom|Recursive/u
/** Tests on what a witness does not show: which of several branches has more difficulty, and when that is enough. */
const TOTAL_DIFFICULTY = /bcTotalDifficulty|bcMultiChain|AtDiff|powToPos|LargerTD|uncleBlock|bcForkStress/u

interface Entry {
  readonly path: string
  readonly test: string
  readonly network: string
}

async function check(tests: Iterable<[string, FixtureTest]>): Promise<{ valid: number; invalid: number }> {
  const counts = { valid: 0, invalid: 0 }
  const wrong: [string, Outcome][] = []
  for (const [name, fixture] of tests) {
    for (const outcome of await executeTest(fixture)) {
      counts[outcome.expected === 'VALID' ? 'valid' : 'invalid'] += 1
      if (outcome.expected !== outcome.actual) wrong.push([name, outcome])
    }
  }
  assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} blocks`)
  return counts
}

function* ethereumTests(isWanted: (entry: Entry) => boolean): Iterable<[string, FixtureTest]> {
  const root = join(DATA, 'ethereum_tests')
  const entries = readJson(join(root, 'manifest.json')) as Entry[]
  const wanted = entries.filter((entry) => {
    const name = `${entry.path}/${entry.test}`
    return isWanted(entry) && (ALL || !SLOW.test(name)) && !TOTAL_DIFFICULTY.test(`${name}/${entry.network}`)
  })
  for (const entry of wanted) {
    const tests = readJson(join(root, entry.path)) as Record<string, FixtureTest>
    yield [entry.test, tests[entry.test] as FixtureTest]
  }
}

function* specTests(folder: string): Iterable<[string, FixtureTest]> {
  const root = join(DATA, 'eest', 'blockchain_tests', folder)
  for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
    if (file.includes('.json')) yield* Object.entries(readJson(join(root, file)) as Record<string, FixtureTest>)
  }
}

for (const folder of ['cancun', 'prague', 'osaka']) {
  void test(`execution-spec-tests: ${folder}`, { skip }, async (context) => {
    const counts = await check(specTests(folder))
    context.diagnostic(`${counts.valid} valid and ${counts.invalid} invalid blocks`)
    assert.ok(counts.valid + counts.invalid > 20)
  })
}

void test('ethereum/tests: a sample of Cancun', { skip }, async (context) => {
  let index = 0
  const counts = await check(
    ethereumTests(({ network }) => network === 'Cancun' && (ALL || index++ % CANCUN_STRIDE === 0)),
  )
  context.diagnostic(`${counts.valid} valid and ${counts.invalid} invalid blocks`)
  assert.ok(counts.valid > 50)
})

void test('ethereum/tests: every other fork', { skip }, async (context) => {
  const counts = await check(ethereumTests(({ network }) => network !== 'Cancun'))
  context.diagnostic(`${counts.valid} valid and ${counts.invalid} invalid blocks`)
  assert.ok(counts.valid > 500)
})

interface Genesis {
  readonly config: Record<string, unknown>
  readonly alloc: FixtureTest['pre']
  readonly extraData: PrefixedHexString
  readonly gasLimit: PrefixedHexString
  readonly difficulty: PrefixedHexString
}

void test('a chain through every fork, Frontier to BPO2', { skip }, async () => {
  const genesis = readJson(join(DATA, 'hivechain', 'genesis.json')) as Genesis
  const { config } = genesis
  const blocks = split(readFileSync(join(DATA, 'hivechain', 'chain.rlp')))
  const chain = new FixtureChain(config)
  chain.addHeader(genesisHeader(genesis, await chain.addState(genesis.alloc)))
  const forks = new Set<string>()
  for (const [index, block] of blocks.entries()) {
    const outcome = await chain.execute(block)
    assert.equal(outcome.actual, 'VALID', `block ${index + 1}: ${outcome.detail}`)
    forks.add(ChainConfig.parse(Buffer.from(JSON.stringify(config))).forkAt(decodePosition(headerOf(block))))
  }
  assert.equal(blocks.length, 54)
  assert.equal(forks.size, 19) // without Frontier, which ends before its first block, and the DAO fork
})

/** That of a chain from Frontier on: all else in it is zero or empty. */
function genesisHeader({ extraData, gasLimit, difficulty }: Genesis, stateRoot: Uint8Array): Uint8Array {
  const number = (value: PrefixedHexString): Uint8Array => bigIntToUnpaddedBytes(BigInt(value))
  const zeros = (length: number): Uint8Array => new Uint8Array(length)
  return RLP.encode([
    zeros(32),
    KECCAK256_RLP_ARRAY,
    zeros(20),
    stateRoot,
    KECCAK256_RLP,
    KECCAK256_RLP,
    zeros(256),
    number(difficulty),
    zeros(0),
    number(gasLimit),
    zeros(0),
    zeros(0),
    hexToBytes(extraData),
    zeros(32),
    zeros(8),
  ])
}

/** Blocks' RLP, end to end. */
function split(content: Buffer): Buffer[] {
  const blocks: Buffer[] = []
  for (let at = 0; at < content.length;) {
    const { end } = spanAt(content, at, content.length)
    blocks.push(content.subarray(at, end))
    at = end
  }
  return blocks
}

/** Of the tests in prestate mode: one in so many, unless all are taken. */
const PRESTATE_STRIDE = 12

void test('in prestate mode the same comes out as in proof mode, on every fork', { skip }, async (context) => {
  const counts = new Map<string, number>()
  const check = async (fixture: FixtureTest): Promise<void> => {
    await executeTest(fixture, async (content, request) => {
      const outcome = await checkBothModes(content, request)
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
    })
  }
  let index = 0
  const isNext = (stride: number): boolean => ALL || index++ % stride === 0
  for (const folder of ['cancun', 'prague', 'osaka']) {
    for (const [, fixture] of specTests(folder)) if (isNext(PRESTATE_STRIDE)) await check(fixture)
  }
  const isWanted = ({ network }: Entry): boolean => isNext(network === 'Cancun' ? CANCUN_STRIDE * 4 : PRESTATE_STRIDE)
  for (const [, fixture] of ethereumTests(isWanted)) await check(fixture)
  context.diagnostic(JSON.stringify([...counts]))
  assert.ok((counts.get('computed') ?? 0) > 100)
})
