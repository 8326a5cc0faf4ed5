import assert from 'node:assert/strict'
import { test } from 'node:test'

import { NeverSettled, settling } from '../dist/settling.js'

void test('passes on what settles', async () => {
  const busy = async (): Promise<number> => {
    let sum = 0
    for (let turn = 0; turn < 100_000; turn++) sum += await Promise.resolve(1)
    return sum
  }
  assert.equal(await settling(busy()), 100_000)
  await assert.rejects(settling(Promise.reject(new Error('no'))), /no/u)
})

void test('ends what never settles', async () => {
  await assert.rejects(settling(new Promise(() => undefined)), NeverSettled)
})
