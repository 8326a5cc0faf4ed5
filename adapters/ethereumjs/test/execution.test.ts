import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { MerklePatriciaTrie } from '@ethereumjs/mpt'
import { RLP, type NestedUint8Array } from '@ethereumjs/rlp'
import fc from 'fast-check'

import { stateRoot } from '../dist/benchmark.js'
import { keccak256 } from '../dist/cryptography.js'
import { execute } from '../dist/execution.js'
import { hex } from '../dist/hexadecimal.js'
import type { ExecuteRequest, ExecuteResponse } from '../dist/messages.js'
import { SHANGHAI, makeBlock, requestOf, type Made } from './support/chain.js'
import { encodeWitnessFile } from './support/witness-encoding.js'
import { temporaryFolder } from './support/temporary-folder.js'

const STORE = '60055f5500' // PUSH1 5 PUSH0 SSTORE STOP
const ASK_ANCESTOR = '60024303405f5500' // stores BLOCKHASH(number - 2)

/** The request about the block with one thing in its RLP changed. */
function changed(made: Made, change: (block: NestedUint8Array) => void): ExecuteRequest {
  const block = RLP.decode(made.content.block) as NestedUint8Array
  change(block)
  const encoded = RLP.encode(block)
  const blockHash = keccak256(RLP.encode(block[0]))
  const number = BigInt(`0x0${hex((block[0] as NestedUint8Array)[8] as Uint8Array)}`)
  return requestOf({
    ...made,
    content: { ...made.content, block: encoded, blockHash, number: BigInt.asUintN(64, number) },
  })
}

function reasonOf({ abstention, broken_rule }: ExecuteResponse): string | undefined {
  return abstention?.reason.replace('ABSTENTION_REASON_', '') ?? broken_rule?.rule
}

void test('computes a block, and how long it took', async () => {
  const made = await makeBlock({ code: STORE })
  const { computed, timings } = await execute(requestOf(made))
  assert.ok(computed !== undefined && timings !== undefined)
  assert.equal(computed.receipts.length, 1)
  assert.equal(computed.receipts[0]?.succeeded, true)
  assert.equal(computed.receipts[0].cumulative_gas_used, computed.gas_used)
  assert.equal(hex(computed.receipts[0].logs_hash), hex(keccak256(Buffer.from([0xc0]))))
  assert.ok(timings.total_us >= timings.decode_us + timings.execute_us + timings.root_us)
  const path = join(temporaryFolder('bench'), 'block.witness')
  writeFileSync(path, encodeWitnessFile(made.content))
  assert.equal(hex(await stateRoot(path)), hex(computed.state_root))
})

void test('the same request gives the same answer, whatever came between', async () => {
  const request = requestOf(await makeBlock({ code: STORE }))
  const { computed } = await execute(request)
  await execute(requestOf(await makeBlock({ code: 'fe' })))
  await execute({ ...request, chain_config: Buffer.from('{') })
  assert.deepEqual((await execute(request)).computed, computed)
})

void test('binds the witness to the request', async () => {
  const made = await makeBlock({ code: STORE })
  const request = requestOf(made)
  const refused = { ...request, block_hash: new Uint8Array(32) }
  assert.equal(reasonOf(await execute(refused)), 'REFUSED')
  assert.equal(reasonOf(await execute({ ...request, pre_state_root: new Uint8Array(32) })), 'REFUSED')
  const otherChain = Buffer.from(JSON.stringify({ ...SHANGHAI, chainId: 7 }))
  assert.equal(reasonOf(await execute({ ...request, chain_config: otherChain })), 'REFUSED')
  const unknown = Buffer.from(JSON.stringify({ ...SHANGHAI, amsterdamTime: 0 }))
  assert.equal(reasonOf(await execute({ ...request, chain_config: unknown })), 'UNSUPPORTED_FORK')
  const orphan = requestOf({ ...made, content: { ...made.content, headers: [] } })
  assert.equal(reasonOf(await execute(orphan)), 'WITNESS_INSUFFICIENT')
  const vouched = await execute({ ...orphan, parent_header_optional: true })
  assert.deepEqual(vouched.computed?.unchecked_rules, [
    'RULE_NUMBER',
    'RULE_TIMESTAMP',
    'RULE_GAS_LIMIT',
    'RULE_BASE_FEE',
  ])
})

void test('a config of the request stands in for the file’s', async () => {
  const request = requestOf(await makeBlock({ code: STORE }))
  const paris = Buffer.from(JSON.stringify({ chainId: SHANGHAI.chainId, londonBlock: 0, terminalTotalDifficulty: 0 }))
  assert.equal(reasonOf(await execute({ ...request, chain_config: paris })), 'RULE_HEADER_FIELDS')
})

void test('BLOCKHASH answers with what the witness proves or the verifier vouches for', async () => {
  const made = await makeBlock({ code: ASK_ANCESTOR })
  const withParentOnly = await execute(requestOf(made))
  assert.ok(withParentOnly.computed) // the parent's header names its own parent
  const deeper = await makeBlock({ code: ASK_ANCESTOR.replace('6002', '6003') })
  const { abstention } = await execute(requestOf(deeper))
  assert.deepEqual(
    abstention?.missing.map(({ kind, number }) => [kind, number]),
    [['KIND_HEADER', '297']],
  )
  const hash = new Uint8Array(32).fill(9)
  const vouched = await execute({ ...requestOf(deeper), ancestor_hashes: [{ number: '297', hash }] })
  assert.ok(vouched.computed)
})

void test('each node and code left out is named, or was not needed', async () => {
  const storage = new Map([0n, 1n, 2n, 3n, 4n].map((key) => [key, key + 1n]))
  const made = await makeBlock({ code: STORE, storage })
  const whole = await execute(requestOf(made))
  for (const field of ['nodes', 'codes'] as const) {
    for (const element of made.content[field]) {
      const rest = made.content[field].filter((other) => other !== element)
      const answer = await execute(requestOf({ ...made, content: { ...made.content, [field]: rest } }))
      if (answer.computed !== undefined) assert.deepEqual(answer.computed, whole.computed)
      else
        assert.deepEqual(
          answer.abstention?.missing.map(({ hash }) => hex(hash)),
          [hex(keccak256(element))],
        )
    }
  }
})

const CHANGES: readonly (readonly [string, number, Uint8Array])[] = [
  ['RULE_NUMBER', 8, Buffer.from([1, 0x2d])],
  ['RULE_NUMBER', 8, new Uint8Array()], // 0
  ['RULE_TIMESTAMP', 11, Buffer.from([1])],
  ['RULE_GAS_LIMIT', 9, Buffer.from('03938700', 'hex')],
  ['RULE_GAS_LIMIT', 9, Buffer.from('8000000000000000', 'hex')],
  ['RULE_GAS_USED', 10, Buffer.from('ffffffff', 'hex')],
  ['RULE_BASE_FEE', 15, Buffer.from([8])],
  ['RULE_EXTRA_DATA', 12, new Uint8Array(33)],
  ['RULE_DIFFICULTY', 7, Buffer.from([1])],
  ['RULE_NONCE', 14, Buffer.from('0000000000000001', 'hex')],
  ['RULE_UNCLES_HASH', 1, new Uint8Array(32)],
  ['RULE_TRANSACTIONS_ROOT', 4, new Uint8Array(32)],
  ['RULE_WITHDRAWALS_ROOT', 16, new Uint8Array(32)],
]
for (const [rule, place, value] of CHANGES) {
  void test(`a header that breaks ${rule} is told so, at field ${place}`, async () => {
    const made = await makeBlock({ code: STORE })
    const request = changed(made, (block) => {
      const header = block[0] as NestedUint8Array
      header[place] = value
    })
    assert.equal(reasonOf(await execute(request)), rule)
  })
}

void test('a signature of zeros breaks a rule of transactions', async () => {
  const made = await makeBlock({ code: STORE })
  const decoded = RLP.decode(made.content.block) as NestedUint8Array
  const [transaction] = decoded[1] as NestedUint8Array[]
  for (const place of [6, 7, 8]) {
    const unsigned = (transaction as NestedUint8Array).with(place, new Uint8Array())
    const trie = new MerklePatriciaTrie()
    await trie.put(RLP.encode(0), RLP.encode(unsigned))
    const request = changed(made, (block) => {
      block[1] = [unsigned]
      const header = block[0] as NestedUint8Array
      header[4] = trie.root()
    })
    assert.equal(reasonOf(await execute(request)), 'RULE_TRANSACTION', `field ${place}`)
  }
})

void test('the number 0 breaks a rule only on a parent that is there', async () => {
  const made = await makeBlock({ code: STORE })
  const ask = async (headers: Uint8Array[]): Promise<(string | undefined)[]> => {
    const request = changed({ ...made, content: { ...made.content, headers } }, (block) => {
      const header = block[0] as NestedUint8Array
      header[8] = new Uint8Array()
    })
    return [reasonOf(await execute(request)), reasonOf(await execute({ ...request, parent_header_optional: true }))]
  }
  assert.deepEqual(await ask([...made.content.headers]), ['RULE_NUMBER', 'RULE_NUMBER'])
  assert.deepEqual(await ask([]), ['REFUSED', 'REFUSED'])
  assert.deepEqual(await ask([Buffer.from([0xc0])]), ['WITNESS_INSUFFICIENT', 'WITNESS_INSUFFICIENT'])
})

void test('whatever byte of the block is changed, there is an answer, and never a crash', async () => {
  const made = await makeBlock({ code: STORE })
  const { block } = made.content
  await fc.assert(
    fc.asyncProperty(fc.nat(block.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const tampered = Buffer.from(block)
      tampered[at] = (tampered[at] as number) ^ change
      const request = requestOf({ ...made, content: { ...made.content, block: tampered } })
      const answer = await execute(request)
      assert.notEqual(reasonOf(answer), 'CRASHED', JSON.stringify(answer.abstention))
      assert.ok(answer.computed === undefined, 'a changed block is another block')
    }),
    { numRuns: 150 },
  )
})

void test('whatever the header’s fields, there is an answer, and never a crash', async () => {
  const made = await makeBlock({ code: STORE })
  await fc.assert(
    fc.asyncProperty(fc.nat(17), fc.uint8Array({ maxLength: 40 }), async (place, value) => {
      const answer = await execute(
        changed(made, (block) => {
          const header = block[0] as NestedUint8Array
          header[place] = value
        }),
      )
      assert.notEqual(reasonOf(answer), 'CRASHED', JSON.stringify(answer.abstention))
    }),
    { numRuns: 200 },
  )
})
