import assert from 'node:assert/strict'
import { test } from 'node:test'

import { execute } from '../dist/execution.js'
import { hex } from '../dist/hexadecimal.js'
import { CONTRACT, makeBlock, requestOf } from './support/chain.js'
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

const STORE_AND_DESTROY = '6001545f5533ff' // PUSH1 1 SLOAD PUSH0 SSTORE CALLER SELFDESTRUCT

void test('a file without the section, or with a malformed one, is refused', async () => {
  const made = await makeBlock({ code: STORE_AND_DESTROY, storage: new Map([[1n, 5n]]) })
  const mode = 'MODE_PRESTATE'
  const missing = await execute({ ...requestOf(made), mode })
  const malformed = { ...made, content: { ...made.content, prestate: Buffer.from('c1c0', 'hex') } }
  const refused = await execute({ ...requestOf(malformed), mode })
  for (const { abstention } of [missing, refused]) assert.equal(abstention?.reason, 'ABSTENTION_REASON_REFUSED')
  assert.ok((await execute(requestOf(malformed))).computed, 'in proof mode nobody reads it')
})

void test('the post-state has what changed: one that is deleted, and nothing that was only read', async () => {
  const made = await makeBlock({ code: STORE_AND_DESTROY, storage: new Map([[1n, 5n]]) })
  const { recording } = await recordPrestate(requestOf(made))
  const { computed } = await execute(withPrestate(requestOf(made), made.content, recording))
  const gone = computed?.post_state?.find(({ address }) => hex(address) === hex(CONTRACT.bytes))
  assert.deepEqual([gone?.deleted, gone?.slots, gone?.code_hash], [true, [], undefined])
  assert.equal(computed?.post_state?.length, 3) // sender, contract, coinbase
  const reading = await makeBlock({ code: '60015450', storage: new Map([[1n, 5n]]) })
  const record = await recordPrestate(requestOf(reading))
  const answer = await execute(withPrestate(requestOf(reading), reading.content, record.recording))
  assert.ok(answer.computed)
  assert.equal(
    answer.computed.post_state?.some(({ address }) => hex(address) === hex(CONTRACT.bytes)),
    false,
  )
})
