import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { PrefixedHexString } from '@ethereumjs/util'

import { execute } from '../dist/execution.js'
import { hex } from '../dist/hexadecimal.js'
import type { ExecuteRequest, ExecuteResponse, Step, TraceEvent } from '../dist/messages.js'
import { Tracing, type Range } from '../dist/tracing.js'
import { CONTRACT, makeBlock, requestOf, type Wish } from './support/chain.js'
import { realBlock, skip } from './support/real-blocks.js'

const ALL: Range = { first: 0, count: 0 }
const INTRINSIC = 21_000 // gas
const GAS_LIMIT = 100_000n
const OTHER = `0x${'bb'.repeat(20)}` as const
const OTHER_WORD = 'bb'.repeat(20)

interface Traced {
  readonly events: TraceEvent[]
  readonly steps: Step[]
  readonly response: ExecuteResponse
}

async function trace(request: ExecuteRequest, range = ALL): Promise<Traced> {
  const events: TraceEvent[] = []
  const response = await execute(request, new Tracing(range, (event) => events.push(event)))
  return { events, steps: events.flatMap(({ steps }) => steps?.steps ?? []), response }
}

async function traceCode(wish: Wish): Promise<Traced> {
  return trace(requestOf(await makeBlock({ gasLimit: GAS_LIMIT, ...wish })))
}

/** Without what it took. */
function outcome({ timings: _, ...rest }: ExecuteResponse): object {
  return rest
}

function kinds(events: readonly TraceEvent[]): string[] {
  return events.map((event) => Object.keys(event)[0] as string)
}

void test('each instruction as it stands before it is executed', async () => {
  const code = '6005600755' + '00' // PUSH1 5 PUSH1 7 SSTORE STOP
  const { events, steps, response } = await traceCode({ code })
  const start = Number(GAS_LIMIT) - INTRINSIC
  assert.deepEqual(
    steps.map(({ pc, op, gas, stack, gas_cost }) => [pc, op, gas, hex(stack).replace(/0{40,62}/gu, '_'), gas_cost]),
    [
      [0, 0x60, start, '', 3],
      [2, 0x60, start - 3, '_05', 3],
      [4, 0x55, start - 6, '_05_07', 22_100],
      [5, 0x00, start - 22_106, '', 0],
    ],
  )
  assert.ok(steps.every(({ depth, account }) => depth === 1 && hex(account) === hex(CONTRACT.bytes)))
  assert.deepEqual(kinds(events), ['transaction_start', 'steps', 'transaction_end'])
  assert.deepEqual(events[2]?.transaction_end, {
    index: 0,
    succeeded: true,
    gas_used: response.computed?.gas_used,
    steps: '4',
  })
})

for (const [what, code, last, error] of [
  ['an undefined instruction', '5f0c', [1, 0x0c], 'invalid opcode'],
  ['an undefined instruction after a jump', '6004565b5b0c', [5, 0x0c], 'invalid opcode'],
  ['INVALID', '5ffe', [1, 0xfe], 'invalid opcode'],
  ['too few words', '5f01', [1, 0x01], undefined],
  ['a REVERT of too few words', '5ffd', [1, 0xfd], 'stack underflow'],
  ['an SSTORE of too few words', '5f55', [1, 0x55], 'stack underflow'],
  ['no gas for a constant cost', '5b5f56', undefined, undefined],
  ['no gas for memory', '63ffffffff5152', [5, 0x51], undefined],
  ['a jump to nowhere', '600756', [2, 0x56], undefined],
] as const) {
  void test(`a failing instruction is a step, and the last one: ${what}`, async () => {
    const { events, steps, response } = await traceCode({ code })
    assert.equal(events.at(-1)?.transaction_end?.succeeded, false)
    assert.equal(response.computed?.receipts[0]?.succeeded, false)
    const { pc, op } = steps.at(-1) as Step
    if (last !== undefined) assert.deepEqual([pc, op], last)
    if (error !== undefined) assert.equal(steps.at(-1)?.error, error)
  })
}

for (const [what, code, count] of [
  ['a code without an end', '5f5f', 2],
  ['a PUSH that is cut off', '6001620102', 2],
  ['no code', '', 0],
] as const) {
  void test(`nothing beyond the end of the code: ${what}`, async () => {
    const { steps, events } = await traceCode({ code })
    assert.equal(steps.length, count)
    assert.ok(steps.every(({ pc }) => pc < code.length / 2))
    assert.equal(events.at(-1)?.transaction_end?.succeeded, true)
  })
}

/** Calls the other contract, which has a code of one instruction, with so much gas. */
const CALLS = [
  ['CALL', `5f5f5f5f5f73${OTHER_WORD}614e20f100`, OTHER],
  ['CALLCODE', `5f5f5f5f5f73${OTHER_WORD}614e20f200`, CONTRACT.toString()],
  ['DELEGATECALL', `5f5f5f5f73${OTHER_WORD}614e20f400`, CONTRACT.toString()],
  ['STATICCALL', `5f5f5f5f73${OTHER_WORD}614e20fa00`, OTHER],
] as const
for (const [name, code, account] of CALLS) {
  void test(`the account is the one whose storage the code uses: ${name}`, async () => {
    const contracts: Record<PrefixedHexString, PrefixedHexString> = { [OTHER]: '0x5b' }
    const { steps } = await traceCode({ code, contracts })
    const inner = steps.filter(({ depth }) => depth === 2)
    assert.deepEqual(
      inner.map(({ account: bytes, op, gas }) => [`0x${hex(bytes)}`, op, gas]),
      [[account, 0x5b, 20_000]],
    )
  })
}

void test('the gas before a call that carries a value is without the stipend', async () => {
  const code = `5f5f5f5f600173${OTHER_WORD}614e20f100`
  const { steps } = await traceCode({ code, contracts: { [OTHER]: '0x5b' }, balance: 1n })
  const at = steps.findIndex(({ op }) => op === 0xf1)
  const [before, call, inner] = steps.slice(at - 1, at + 2) as [Step, Step, Step]
  assert.equal(call.gas, Number(before.gas) - 3)
  assert.equal(inner.gas, 20_000 + 2300)
})

void test('precompiled contracts have no steps, and a code that creates has', async () => {
  const { steps } = await traceCode({ code: '5f5f5f5f600461fffffa00' })
  assert.deepEqual(
    steps.filter(({ depth }) => depth > 1),
    [],
  )
  const { steps: creating } = await traceCode({ code: '605b5f5360015f5ff000' })
  assert.deepEqual(
    creating.filter(({ depth }) => depth === 2).map(({ op, pc }) => [op, pc]),
    [[0x5b, 0]],
  )
})

void test('large words and many steps: batches, none of them large', async () => {
  const code = `7f${'ff'.repeat(32)}` + '80'.repeat(1022) + '5b'.repeat(2000) + '00'
  const { events, steps, response } = await traceCode({ code })
  assert.equal(response.computed?.receipts[0]?.succeeded, true)
  assert.equal(steps.length, 3024)
  assert.equal(hex(steps.at(-1)?.stack ?? new Uint8Array()), 'ff'.repeat(32 * 1023))
  const batches = events.flatMap((event) => event.steps ?? [])
  assert.ok(batches.length > 12)
  for (const batch of batches) {
    assert.ok(batch.steps.length <= 256)
    assert.ok(batch.steps.reduce((sum, { stack }) => sum + stack.length, 0) < 600_000)
  }
})

void test('transactions out of the range, and blocks that cannot be executed, have an outcome only', async () => {
  const made = await makeBlock({ code: '5f' })
  const request = requestOf(made)
  const beyond = await trace(request, { first: 1, count: 0 })
  assert.deepEqual(kinds(beyond.events), [])
  assert.deepEqual(outcome(beyond.response), outcome(await execute(request)))
  const refused = await trace({ ...request, block_hash: new Uint8Array(32) })
  assert.equal(refused.response.abstention?.reason, 'ABSTENTION_REASON_REFUSED')
})

void test('where something is missing the steps up to there are told, and no end', async () => {
  const made = await makeBlock({ code: `5f73${OTHER_WORD}3b00`, contracts: { [OTHER]: '0x5b5b' } })
  const request = requestOf({ ...made, content: { ...made.content, codes: made.content.codes.slice(0, 1) } })
  const { events, steps, response } = await trace(request)
  assert.deepEqual(kinds(events), ['transaction_start', 'steps'])
  assert.equal(steps.at(-1)?.op, 0x3b)
  assert.equal(response.abstention?.missing[0]?.kind, 'KIND_CODE')
})

void test(
  'a real block of Prague: every transaction, its gas step by step, and the same outcome',
  { skip },
  async () => {
    const { request } = realBlock('1_22615247_keth')
    const { events, steps, response } = await trace(request)
    assert.deepEqual(outcome(response), outcome(await execute(request)))
    const ends = events.flatMap(({ transaction_end }) => transaction_end ?? [])
    const receipts = response.computed?.receipts ?? []
    assert.equal(receipts.length, 26)
    assert.deepEqual(
      ends.map(({ index, succeeded }) => [index, succeeded]),
      receipts.map(({ succeeded }, index) => [index, succeeded]),
    )
    let cumulative = 0
    for (const [index, { gas_used }] of ends.entries()) {
      cumulative += Number(gas_used)
      assert.equal(cumulative.toString(), receipts[index]?.cumulative_gas_used)
    }
    assert.equal(
      steps.length,
      ends.reduce((sum, { steps: count }) => sum + Number(count), 0),
    )
    assert.ok(steps.length > 30_000)
    // One instruction after the other in the same call, no call in between: the gas that is left is what the first one left.
    let followed = 0
    for (const [index, step] of steps.entries()) {
      const next = steps[index + 1]
      if (next?.depth !== step.depth || next.pc !== step.pc + 1 || step.op >= 0xf0) continue
      assert.equal(next.gas, Number(step.gas) - Number(step.gas_cost))
      followed += 1
    }
    assert.ok(followed > 15_000)

    const one = await trace(request, { first: 3, count: 2 })
    const twoOfAll = events.filter((event) => {
      const place = events.indexOf(event)
      const start = events.findIndex(({ transaction_start }) => transaction_start?.index === 3)
      const end = events.findIndex(({ transaction_end }) => transaction_end?.index === 4)
      return place >= start && place <= end
    })
    assert.deepEqual(one.events, twoOfAll)
  },
)
