import assert from 'node:assert/strict'
import { test } from 'node:test'

import { decodePosition, headerOf } from '../dist/block-header.js'
import { ChainConfig, isFrom } from '../dist/chain-config.js'
import { clientRules } from '../dist/client-rules.js'
import { execute } from '../dist/execution.js'
import { hex } from '../dist/hexadecimal.js'
import type { Computed, ExecuteRequest, ExecuteResponse } from '../dist/messages.js'
import { rootAfter } from './support/post-state.js'
import { encodePrestate, recordPrestate, type Recording } from './support/prestate-recording.js'
import { realBlock, realBlockNames, skip, type RealBlock } from './support/real-blocks.js'
import { encodeWitnessFile, type Content } from './support/witness-encoding.js'

/** Of accounts and slots, unless ETHEREUMJS_ALL_FIXTURES=1: one in so many is left out in turn. */
const STRIDE = process.env['ETHEREUMJS_ALL_FIXTURES'] === '1' ? 1 : 12

/** The same request in prestate mode, without a single node. */
function withPrestate(request: ExecuteRequest, content: Content, recording: Recording): ExecuteRequest {
  const file = encodeWitnessFile({ ...content, nodes: [], prestate: encodePrestate(recording) })
  return { ...request, content: file, mode: 'MODE_PRESTATE' }
}

/** What both modes compute. */
function common({ computed }: ExecuteResponse, hasRoots = true): object {
  const { state_root: _, post_state: __, ...rest } = computed as Computed
  if (hasRoots) return rest
  const receipts = rest.receipts.map(({ post_state: ___, ...receipt }) => receipt)
  return { ...rest, receipts, receipts_root: new Uint8Array() }
}

async function checkBlock({ content, request }: RealBlock): Promise<void> {
  const { recording, response: proven } = await recordPrestate(request)
  const given = await execute(withPrestate(request, content, recording))
  assert.ok(proven.computed && given.computed, JSON.stringify([proven.abstention, given.abstention]))
  const position = decodePosition(headerOf(content.block))
  const config = ChainConfig.parse(content.chainConfig)
  const isByzantium = isFrom(config.forkAt(position), 'byzantium')
  assert.deepEqual(common(given, isByzantium), common(proven, isByzantium))
  assert.equal(given.computed.receipts_root.length, isByzantium ? 32 : 0)
  assert.equal(given.computed.state_root.length, 0)
  const changes = given.computed.post_state ?? []
  const rules = clientRules(config, position, false)
  const root = await rootAfter(request.pre_state_root, content.nodes, changes, rules)
  assert.equal(hex(root), hex(proven.computed.state_root))
  const addresses = changes.map(({ address }) => hex(address))
  assert.deepEqual(addresses, [...new Set(addresses)].sort())
}

for (const name of realBlockNames()) {
  void test(`from the prestate as from the proof, and the same root after it: ${name}`, { skip }, async () => {
    await checkBlock(realBlock(name))
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
