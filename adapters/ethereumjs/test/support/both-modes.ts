// A block in proof mode and in prestate mode: the same values, and a post-state that leads to the proven root.

import assert from 'node:assert/strict'

import { decodePosition, headerOf } from '../../dist/block-header.js'
import { ChainConfig, isFrom } from '../../dist/chain-config.js'
import { clientRules } from '../../dist/client-rules.js'
import { execute } from '../../dist/execution.js'
import { hex } from '../../dist/hexadecimal.js'
import type { Computed, ExecuteRequest, ExecuteResponse } from '../../dist/messages.js'
import { rootAfter } from './post-state.js'
import { encodePrestate, recordPrestate, type Recording } from './prestate-recording.js'
import { encodeWitnessFile, type Content } from './witness-encoding.js'

/** The same request in prestate mode, without a single node. */
export function withPrestate(request: ExecuteRequest, content: Content, recording: Recording): ExecuteRequest {
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

/** Executes a request of proof mode in both modes, and compares. Returns what the outcome is. */
export async function checkBothModes(content: Content, request: ExecuteRequest): Promise<string> {
  const { recording, response: proven } = await recordPrestate(request)
  const given = await execute(withPrestate(request, content, recording))
  if (proven.computed === undefined || given.computed === undefined) {
    assert.deepEqual({ ...given, timings: undefined }, { ...proven, timings: undefined })
    return proven.abstention?.reason ?? 'broken rule'
  }
  const position = decodePosition(headerOf(content.block))
  const config = ChainConfig.parse(content.chainConfig)
  const hasRoots = isFrom(config.forkAt(position), 'byzantium') || proven.computed.receipts.length === 0
  assert.deepEqual(common(given, hasRoots), common(proven, hasRoots))
  assert.equal(given.computed.receipts_root.length, hasRoots ? 32 : 0)
  assert.equal(given.computed.state_root.length, 0)
  const changes = given.computed.post_state ?? []
  const rules = clientRules(config, position, false)
  const root = hex(proven.computed.state_root)
  const reached = [hex(await rootAfter(request.pre_state_root, content.nodes, changes, rules))]
  for (const [address, account] of recording) {
    if (reached.includes(root)) break
    if (account === undefined) continue
    const again = { address, slots: account.slots }
    reached.push(hex(await rootAfter(request.pre_state_root, content.nodes, changes, rules, again)))
  }
  assert.ok(reached.includes(root), `${root} is not reached`)
  const addresses = changes.map(({ address }) => hex(address))
  assert.deepEqual(addresses, [...new Set(addresses)].sort())
  return 'computed'
}
