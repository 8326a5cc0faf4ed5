import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { createBlockHeader } from '@ethereumjs/block'
import fc from 'fast-check'

import { Refusal } from '../dist/answer.js'
import { ChainConfig, FORKS, UnsupportedFork } from '../dist/chain-config.js'
import { clientName, clientRules } from '../dist/client-rules.js'

const MAINNET = readFileSync(fileURLToPath(new URL('../../../witness/chains/mainnet.json', import.meta.url)))

function config(document: object): ChainConfig {
  return ChainConfig.parse(Buffer.from(JSON.stringify(document)))
}

/** Block, timestamp, difficulty → fork, on mainnet. */
const PLACES: readonly (readonly [bigint, bigint, bigint, string])[] = [
  [1n, 1_438_269_988n, 1n, 'frontier'],
  [1_149_999n, 1_457_981_342n, 1n, 'frontier'],
  [1_150_000n, 1_457_981_393n, 1n, 'homestead'],
  [1_920_000n, 1_469_020_840n, 1n, 'dao'],
  [2_463_000n, 1_476_796_771n, 1n, 'tangerine_whistle'],
  [2_675_000n, 1_479_831_344n, 1n, 'spurious_dragon'],
  [4_370_000n, 1_508_131_331n, 1n, 'byzantium'],
  [7_280_000n, 1_551_383_524n, 1n, 'petersburg'],
  [9_069_000n, 1_575_764_709n, 1n, 'istanbul'],
  [9_200_000n, 1_577_953_849n, 1n, 'muir_glacier'],
  [12_244_000n, 1_618_481_223n, 1n, 'berlin'],
  [12_965_000n, 1_628_166_822n, 1n, 'london'],
  [13_773_000n, 1_639_079_723n, 1n, 'arrow_glacier'],
  [15_050_000n, 1_656_586_444n, 1n, 'gray_glacier'],
  [15_537_393n, 1_663_224_162n, 1n, 'gray_glacier'],
  [15_537_394n, 1_663_224_179n, 0n, 'paris'],
  [17_034_870n, 1_681_338_455n, 0n, 'shanghai'],
  [19_426_587n, 1_710_338_135n, 0n, 'cancun'],
  [22_431_084n, 1_746_612_311n, 0n, 'prague'],
]

void test("the client finds the same fork as we do, at each of mainnet's", () => {
  const mainnet = ChainConfig.parse(MAINNET)
  for (const [number, timestamp, difficulty, fork] of PLACES) {
    const position = { number, timestamp, difficulty }
    assert.equal(mainnet.forkAt(position), fork)
    for (const parentHasDifficulty of [difficulty > 0n, number <= 15_537_394n]) {
      const rules = clientRules(mainnet, position, parentHasDifficulty)
      assert.equal(rules.hardfork(), clientName(mainnet.forkAt(position)))
      assert.equal(rules.setHardforkBy({ blockNumber: number, timestamp }), rules.hardfork())
    }
  }
})

void test("the parent of the first block after The Merge is the client's Gray Glacier", () => {
  const rules = clientRules(
    ChainConfig.parse(MAINNET),
    { number: 15_537_394n, timestamp: 1_663_224_179n, difficulty: 0n },
    true,
  )
  assert.equal(rules.setHardforkBy({ blockNumber: 15_537_393n, timestamp: 1_663_224_162n }), 'grayGlacier')
  assert.equal(rules.setHardforkBy({ blockNumber: 15_537_394n, timestamp: 1_663_224_179n }), 'paris')
})

void test('each fork from the first block on is the one that the client takes', () => {
  const keys = [
    'homesteadBlock',
    'eip150Block',
    'eip158Block',
    'byzantiumBlock',
    'constantinopleBlock',
    'petersburgBlock',
    'istanbulBlock',
    'muirGlacierBlock',
    'berlinBlock',
    'londonBlock',
    'arrowGlacierBlock',
    'grayGlacierBlock',
    'terminalTotalDifficulty',
    'shanghaiTime',
    'cancunTime',
    'pragueTime',
    'osakaTime',
    'bpo1Time',
    'bpo2Time',
    'bpo3Time',
    'bpo4Time',
    'bpo5Time',
  ]
  const forks = FORKS.filter((fork) => fork !== 'frontier' && fork !== 'dao')
  assert.equal(keys.length, forks.length)
  const blobSchedule = Object.fromEntries(
    ['bpo1', 'bpo2', 'bpo3', 'bpo4', 'bpo5'].map((fork, index) => [
      fork,
      { target: 10 + index, max: 20 + index, baseFeeUpdateFraction: 1_000_000 + index },
    ]),
  )
  for (const [index, fork] of forks.entries()) {
    const document = Object.fromEntries(keys.slice(0, index + 1).map((key) => [key, 0]))
    const isMerged = index >= keys.indexOf('terminalTotalDifficulty')
    const position = { number: 5n, timestamp: 5n, difficulty: isMerged ? 0n : 1n }
    const chain = config({ chainId: 7, blobSchedule, ...document })
    assert.equal(chain.forkAt(position), fork)
    const header = createBlockHeader(
      { number: 5n, timestamp: 5n, gasLimit: 5000n, difficulty: position.difficulty },
      { common: clientRules(chain, position, !isMerged), setHardfork: true },
    )
    assert.equal(header.common.hardfork(), clientName(fork))
    const given = (blobSchedule as Record<string, { target: number; max: number; baseFeeUpdateFraction: number }>)[fork]
    if (given !== undefined) {
      assert.deepEqual(header.common.getBlobGasSchedule(), {
        targetBlobGasPerBlock: BigInt(given.target) * 131_072n,
        maxBlobGasPerBlock: BigInt(given.max) * 131_072n,
        blobGasPriceUpdateFraction: BigInt(given.baseFeeUpdateFraction),
      })
    }
  }
})

void test('a blob schedule of the config counts from its fork on', () => {
  const blobSchedule = {
    cancun: { target: 1, max: 2, baseFeeUpdateFraction: 33 },
    osaka: { target: 4, max: 5, baseFeeUpdateFraction: 44 },
  }
  const times = { cancunTime: 10, pragueTime: 20, osakaTime: 30 }
  const chain = config({ chainId: 7, terminalTotalDifficulty: 0, blobSchedule, ...times })
  const max = (timestamp: bigint): bigint =>
    clientRules(chain, { number: 5n, timestamp, difficulty: 0n }, false).getBlobGasSchedule().maxBlobGasPerBlock /
    131_072n
  assert.deepEqual([max(10n), max(20n), max(30n)], [2n, 9n, 5n])
})

void test('forks that are left out are as old as the next later one', () => {
  const chain = config({ chainId: 7, londonBlock: 10, pragueTime: 100 })
  const at = (number: bigint, timestamp: bigint, difficulty: bigint): string =>
    chain.forkAt({ number, timestamp, difficulty })
  assert.deepEqual([at(9n, 9n, 1n), at(10n, 10n, 1n), at(50n, 100n, 0n)], ['frontier', 'london', 'prague'])
  const rules = clientRules(chain, { number: 50n, timestamp: 100n, difficulty: 0n }, false)
  for (const eip of [155, 1559, 4399, 4895, 4844, 7702])
    assert.ok(eip === 155 || rules.isActivatedEIP(eip), String(eip))
})

void test('Paris is told by difficulty where a terminal total difficulty is configured', () => {
  const merging = config({ chainId: 7, londonBlock: 0, terminalTotalDifficulty: 1000 })
  assert.equal(merging.forkAt({ number: 5n, timestamp: 5n, difficulty: 1n }), 'london')
  assert.equal(merging.forkAt({ number: 5n, timestamp: 5n, difficulty: 0n }), 'paris')
  assert.equal(config({ chainId: 7, londonBlock: 0 }).forkAt({ number: 5n, timestamp: 5n, difficulty: 0n }), 'london')
  const merged = config({ chainId: 7, londonBlock: 0, terminalTotalDifficulty: 0 })
  assert.equal(merged.forkAt({ number: 5n, timestamp: 5n, difficulty: 1n }), 'paris')
})

void test('forks that are not ours are named once active', () => {
  for (const key of ['amsterdamTime', 'verkleTime', 'someLaterTime', 'someLaterBlock']) {
    const chain = config({ chainId: 1, shanghaiTime: 0, [key]: 100 })
    assert.equal(chain.forkAt({ number: 99n, timestamp: 99n, difficulty: 0n }), 'shanghai')
    assert.throws(() => chain.forkAt({ number: 100n, timestamp: 100n, difficulty: 0n }), UnsupportedFork)
  }
  const clique = config({ chainId: 5, londonBlock: 0, clique: {} })
  assert.throws(() => clique.forkAt({ number: 1n, timestamp: 1n, difficulty: 2n }), UnsupportedFork)
})

for (const text of [
  '',
  '{',
  '[]',
  'null',
  '{}',
  '{"chainId":"one"}',
  '{"chainId":1,"pragueTime":-1}',
  '{"chainId":1.5}',
  '{"chainId":1,"londonBlock":5,"berlinBlock":6}',
  '{"chainId":1,"blobSchedule":7}',
  '{"chainId":1,"bpo1Time":0}',
  '{"chainId":1,"blobSchedule":{"cancun":{"target":6,"max":3,"baseFeeUpdateFraction":1}}}',
  '{"chainId":1,"eip155Block":1,"eip158Block":2}',
  '{"chainId":1,"depositContractAddress":"0x12"}',
]) {
  void test(`refuses ${text || 'nothing'}`, () => {
    assert.throws(() => ChainConfig.parse(Buffer.from(text)), Refusal)
  })
}

void test('whatever the JSON, it is read or refused', () => {
  const values = fc.oneof(fc.jsonValue(), fc.nat(), fc.constant(null))
  const keys = fc.constantFrom(
    'chainId',
    'londonBlock',
    'cancunTime',
    'bpo1Time',
    'blobSchedule',
    'daoForkBlock',
    'clique',
  )
  fc.assert(
    fc.property(fc.dictionary(keys, values), fc.nat(), (document, place) => {
      try {
        const position = { number: BigInt(place), timestamp: BigInt(place), difficulty: 0n }
        const chain = config(document)
        assert.equal(clientRules(chain, position, false).hardfork(), clientName(chain.forkAt(position)))
      } catch (error) {
        assert.ok(error instanceof Refusal || error instanceof UnsupportedFork, String(error))
      }
    }),
    { numRuns: 2000 },
  )
})
