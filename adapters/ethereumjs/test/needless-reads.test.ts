import assert from 'node:assert/strict'
import { test } from 'node:test'

import { execute } from '../dist/execution.js'
import { hex } from '../dist/hexadecimal.js'
import type { ExecuteResponse } from '../dist/messages.js'
import { Misses } from '../dist/misses.js'
import { withPrestate } from './support/both-modes.js'
import { CONTRACT, makeBlock, requestOf, word } from './support/chain.js'
import { recordPrestate } from './support/prestate-recording.js'

const CONFIG = { chainId: 1337, londonBlock: 0, terminalTotalDifficulty: 0, shanghaiTime: 0 }
const OTHER = `0x${'bb'.repeat(20)}` as const
const OTHER_WORD = 'bb'.repeat(20)
const INTRINSIC = 21_000n // gas

/** In prestate mode without the other contract, or without the slot: as other clients have recorded it. */
async function without(what: 'account' | 'slot', code: string, gas: bigint, balance = 0n): Promise<ExecuteResponse> {
  const made = await makeBlock({
    code,
    config: CONFIG,
    gasLimit: INTRINSIC + gas,
    contracts: { [OTHER]: '0x5b' },
    storage: new Map([[1n, 1n]]),
    balance,
  })
  const { recording, response } = await recordPrestate(requestOf(made))
  assert.ok(response.computed)
  if (what === 'account') recording.delete(OTHER_WORD)
  else recording.get(hex(CONTRACT.bytes))?.slots.delete(hex(word(1n)))
  const answer = await execute(withPrestate(requestOf(made), made.content, recording))
  if (answer.computed !== undefined) assert.deepEqual(answer.computed.receipts, response.computed.receipts)
  return answer
}

void test('an SSTORE that the sentry refuses does not need its slot, any other does', async () => {
  const code = '6002600155' // PUSH1 2 PUSH1 1 SSTORE
  assert.ok((await without('slot', code, 6n + 2300n)).computed)
  const { abstention } = await without('slot', code, 6n + 2301n)
  assert.equal(abstention?.missing[0]?.kind, 'KIND_SLOT')
})

/** What is paid before the account is read: words pushed, cold access, transferred value, memory. */
for (const [what, code, cost, balance] of [
  ['a cold CALL with a value', `5f5f5f5f600173${OTHER_WORD}5af1`, 16n + 2600n + 9000n, 1n],
  ['a SELFDESTRUCT to a cold account', `73${OTHER_WORD}ff`, 3n + 5000n + 2600n, 1n],
] as const) {
  void test(`what cannot be paid in any case does not need the account, anything else does: ${what}`, async () => {
    assert.ok((await without('account', code, cost - 1n, balance)).computed)
    const { abstention } = await without('account', code, cost + 100n, balance)
    assert.deepEqual(
      abstention?.missing.map(({ kind, address }) => [kind, hex(address)]),
      [['KIND_ACCOUNT', OTHER_WORD]],
    )
  })
}

void test('a miss that does not stand leaves nothing behind, one that stands is the first', async () => {
  const misses = new Misses()
  const missed: unknown[] = []
  const read = (): never => {
    throw misses.note({ kind: 'account', address: CONTRACT.bytes, where: '' })
  }
  assert.equal(await misses.attempt(read, (missing) => missed.push(missing)), undefined)
  assert.equal(misses.first, undefined)
  assert.equal(missed.length, 1)
})
