import assert from 'node:assert/strict'
import { test } from 'node:test'

import { execute } from '../dist/execution.js'
import { hex } from '../dist/hexadecimal.js'
import { checkBothModes, withPrestate } from './support/both-modes.js'
import { recordPrestate } from './support/prestate-recording.js'
import { realBlock, realBlockNames, skip } from './support/real-blocks.js'

/** Of accounts and slots, unless ETHEREUMJS_ALL_FIXTURES=1: one in so many is left out in turn. */
const STRIDE = process.env['ETHEREUMJS_ALL_FIXTURES'] === '1' ? 1 : 12

for (const name of realBlockNames()) {
  void test(`from the prestate as from the proof, and the same root after it: ${name}`, { skip }, async () => {
    const { content, request } = realBlock(name)
    assert.equal(await checkBothModes(content, request), 'computed')
  })
}

void test('each account and slot left out is named, or was not needed', { skip }, async (context) => {
  const { content, request } = realBlock('1_22615247_keth')
  const { recording } = await recordPrestate(request)
  const whole = await execute(withPrestate(request, content, recording))
  const counts = { accounts: 0, slots: 0, needless: 0 }
  const check = async (kind: string, address: string, key: string): Promise<void> => {
    const answer = await execute(withPrestate(request, content, recording))
    if (answer.computed !== undefined) {
      counts.needless += 1
      assert.deepEqual(answer.computed, whole.computed)
      return
    }
    assert.deepEqual(
      answer.abstention?.missing.map((each) => [each.kind, hex(each.address), hex(each.key)]),
      [[kind, address, key]],
    )
  }
  for (const [index, [address, account]] of [...recording].entries()) {
    if (index % STRIDE === 0) {
      counts.accounts += 1
      recording.delete(address)
      await check('KIND_ACCOUNT', address, '')
      recording.set(address, account)
    }
    for (const [place, [key, value]] of [...(account?.slots ?? [])].entries()) {
      if ((index + place) % STRIDE !== 0) continue
      counts.slots += 1
      account?.slots.delete(key)
      await check('KIND_SLOT', address, key)
      account?.slots.set(key, value)
    }
  }
  context.diagnostic(JSON.stringify(counts))
  assert.ok(counts.accounts > 3 && counts.slots > 3 && counts.needless < counts.accounts)
})
