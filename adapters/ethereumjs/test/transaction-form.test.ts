import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Common, Mainnet } from '@ethereumjs/common'
import { RLP } from '@ethereumjs/rlp'
import {
  createAccessList2930Tx,
  createBlob4844Tx,
  createEOACode7702Tx,
  createFeeMarket1559Tx,
  createLegacyTx,
} from '@ethereumjs/tx'
import { hexToBytes } from '@ethereumjs/util'
import fc from 'fast-check'

import type { Fork } from '../dist/chain-config.js'
import { customCrypto } from '../dist/cryptography.js'
import { decode, type Decoded } from '../dist/rlp.js'
import { malformedTransaction } from '../dist/transaction-form.js'
import { CONTRACT, KEY } from './support/chain.js'

const common = new Common({ chain: Mainnet, hardfork: 'prague', customCrypto })
const word = `0x${'11'.repeat(32)}` as const
const accessList = [{ address: `0x${'22'.repeat(20)}` as const, storageKeys: [word, word] }]
const authorizationList = [
  { chainId: '0x1', address: `0x${'33'.repeat(20)}`, nonce: '0x1', yParity: '0x1', r: word, s: word } as const,
]
const base = { nonce: 1, gasLimit: 100_000, to: CONTRACT, value: 5, data: hexToBytes('0x1234') }
const fees = { ...base, maxFeePerGas: 10, maxPriorityFeePerGas: 1, accessList }

/** One of each type, as it stands in a block's list, and the fork that brought it. */
const EXAMPLES: readonly (readonly [string, Fork, Decoded])[] = [
  [
    'legacy',
    'frontier',
    decode(
      createLegacyTx({ ...base, gasPrice: 10 }, { common })
        .sign(KEY)
        .serialize(),
    ),
  ],
  [
    'access list',
    'berlin',
    createAccessList2930Tx({ ...base, gasPrice: 10, accessList }, { common })
      .sign(KEY)
      .serialize(),
  ],
  ['fee market', 'london', createFeeMarket1559Tx(fees, { common }).sign(KEY).serialize()],
  [
    'blob',
    'cancun',
    createBlob4844Tx({ ...fees, maxFeePerBlobGas: 3, blobVersionedHashes: [`0x01${'44'.repeat(31)}`] }, { common })
      .sign(KEY)
      .serialize(),
  ],
  [
    'set code',
    'prague',
    createEOACode7702Tx({ ...fees, authorizationList }, { common })
      .sign(KEY)
      .serialize(),
  ],
]

for (const [name, fork, item] of EXAMPLES) {
  void test(`a ${name} transaction has the form of one from ${fork} on`, () => {
    assert.equal(malformedTransaction(item, 'bpo5'), undefined)
    assert.equal(malformedTransaction(item, fork), undefined)
    if (fork !== 'frontier') assert.match(malformedTransaction(item, 'frontier') ?? '', /not of this fork/u)
  })

  void test(`a ${name} transaction with a field more or less has not`, () => {
    const [type, fields] = Array.isArray(item)
      ? [[], item]
      : [[...item.subarray(0, 1)], decode(item.subarray(1)) as Decoded[]]
    const rebuilt = (changed: Decoded[]): Decoded =>
      Array.isArray(item) ? changed : Buffer.concat([Buffer.from(type), RLP.encode(changed)])
    assert.notEqual(malformedTransaction(rebuilt(fields.slice(0, -1)), 'bpo5'), undefined)
    assert.notEqual(malformedTransaction(rebuilt([...fields, new Uint8Array()]), 'bpo5'), undefined)
    for (const place of fields.keys()) {
      const nested = fields.with(place, [[[]]])
      assert.notEqual(malformedTransaction(rebuilt(nested), 'bpo5'), undefined, `field ${place}`)
    }
  })
}

void test('bytes have the form of a transaction, or there is a reason why not', () => {
  fc.assert(
    fc.property(fc.constantFrom(...EXAMPLES.slice(1)), fc.nat(), fc.nat(255), ([, , item], at, byte) => {
      const changed = Buffer.from(item as Uint8Array)
      changed[at % changed.length] = byte
      const reason = malformedTransaction(changed, 'bpo5')
      assert.ok(reason === undefined || reason.length > 0)
    }),
    { numRuns: 2000 },
  )
  for (const item of [new Uint8Array(), Buffer.from('7f', 'hex'), [], Buffer.from('02garbage')]) {
    assert.notEqual(malformedTransaction(item, 'bpo5'), undefined)
  }
})
