import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { status, type ServiceError } from '@grpc/grpc-js'

import { describeLine } from '../dist/description.js'
import { WINDOW } from '../dist/flow.js'
import type { ExecuteRequest, TraceEvent } from '../dist/messages.js'
import { SERVICE } from '../dist/protocol.js'
import { AdapterProcess, runAdapter } from './support/adapter-process.js'
import { makeBlock, requestOf } from './support/chain.js'
import { encodeWitnessFile } from './support/witness-encoding.js'
import { temporaryFolder } from './support/temporary-folder.js'

const STORE = '60055f5500' // PUSH1 5 PUSH0 SSTORE STOP
const SPIN = '5b5f56' // JUMPDEST PUSH0 JUMP
/** Enough to spin for hours. */
const ENDLESS = 2n ** 50n

async function withAdapter(scenario: (adapter: AdapterProcess) => Promise<void>): Promise<void> {
  const adapter = new AdapterProcess()
  try {
    await adapter.logged('event=warm ')
    await scenario(adapter)
  } finally {
    adapter.endInput()
    assert.deepEqual(await adapter.end(), [0, null], adapter.errors)
    assert.equal(existsSync(adapter.socket), false)
    assert.equal(adapter.output, '')
  }
}

/** The request about the file, as the verifier sends it; what its other form has is left out. */
function byPath(request: ExecuteRequest, content: Parameters<typeof encodeWitnessFile>[0]): ExecuteRequest {
  const path = join(temporaryFolder('witness'), 'block.witness')
  writeFileSync(path, encodeWitnessFile(content))
  const { content: _, ...rest } = request
  return { ...rest, path }
}

async function codeOf(call: Promise<unknown>): Promise<status | 'answered'> {
  return call.then(
    () => 'answered' as const,
    (error: unknown) => (error as ServiceError).code,
  )
}

void test('describes itself on one line', async () => {
  const { status, output, errors } = await runAdapter('--describe')
  assert.deepEqual([status, output, errors], [0, `${describeLine()}\n`, ''])
})

void test('wrong arguments are told with status 2', async () => {
  const { status, output, errors } = await runAdapter('--nonsense')
  assert.deepEqual([status, output], [2, ''])
  assert.match(errors, /^usage: .*\n$/u)
})

void test('measures a file, and says why it cannot', async () => {
  const made = await makeBlock({ code: STORE })
  const { path } = byPath(requestOf(made), made.content)
  const good = await runAdapter('--bench', path as string, '--runs', '2')
  assert.equal(good.status, 0, good.errors)
  assert.equal((JSON.parse(good.output) as { runs_ms: number[] }).runs_ms.length, 2)
  const bad = await runAdapter('--bench', '/nonexistent', '--runs', '2')
  assert.deepEqual([bad.status, bad.output], [1, ''])
  assert.match(bad.errors, /ENOENT/u)
})

void test('serves: healthy once warm, both forms of a witness, every bad request', () =>
  withAdapter(async (adapter) => {
    assert.equal(statSync(adapter.socket).mode & 0o777, 0o600)
    for (const service of ['', SERVICE]) assert.equal(await adapter.check(service), 'SERVING')
    assert.equal((await adapter.describe()).lineage, 'ethereumjs')

    const made = await makeBlock({ code: STORE })
    const request = requestOf(made)
    const [sent, read] = [await adapter.execute(request), await adapter.execute(byPath(request, made.content))]
    assert.ok(sent.computed && read.computed)
    assert.deepEqual(sent.computed, read.computed)
    assert.ok(Number(read.timings?.total_us) > 0)

    const { content: _, ...bare } = request
    const wrong: ExecuteRequest[] = [
      bare,
      { ...bare, path: 'relative' },
      { ...request, block_hash: new Uint8Array(31) },
      { ...request, pre_state_root: new Uint8Array(33) },
      { ...request, ancestor_hashes: [{ number: '1', hash: new Uint8Array(3) }] },
    ]
    for (const each of wrong) assert.equal(await codeOf(adapter.execute(each)), status.INVALID_ARGUMENT)

    const garbage = await adapter.execute({ ...request, content: new Uint8Array(20 * 2 ** 20).fill(0x45) })
    assert.equal(garbage.abstention?.reason, 'ABSTENTION_REASON_REFUSED')
  }))

void test('not healthy before it is warm, and Describe answers all the same', async () => {
  const adapter = new AdapterProcess()
  await adapter.logged('event=listening ')
  assert.equal(await adapter.check(SERVICE), 'NOT_SERVING')
  assert.equal((await adapter.describe()).contract_version, 1)
  adapter.endInput()
  assert.deepEqual(await adapter.end(), [0, null])
})

void test('a deadline stops the work; more than there is room for is refused; then all is as before', () =>
  withAdapter(async (adapter) => {
    const endless = requestOf(await makeBlock({ code: SPIN, gasLimit: ENDLESS }))
    const quick = requestOf(await makeBlock({ code: STORE }))
    assert.equal(await codeOf(adapter.execute(endless, 500)), status.DEADLINE_EXCEEDED)
    await adapter.logged('event=worker-replaced')

    const busy = Array.from({ length: 6 }, () => codeOf(adapter.execute(endless, 3000)))
    await adapter.describe() // sent after them, on the same connection: they are in
    assert.equal(await codeOf(adapter.execute(quick)), status.RESOURCE_EXHAUSTED)
    assert.deepEqual(new Set(await Promise.all(busy)), new Set([status.DEADLINE_EXCEEDED]))
    assert.ok((await adapter.execute(quick)).computed)
    assert.equal(await adapter.check(''), 'SERVING')
  }))

void test('traces: steps, then the outcome that Execute gives', () =>
  withAdapter(async (adapter) => {
    const request = requestOf(await makeBlock({ code: STORE }))
    const events: TraceEvent[] = []
    for await (const event of adapter.trace(request)) events.push(event as TraceEvent)
    assert.deepEqual(
      events.map(({ event }) => event),
      ['transaction_start', 'steps', 'transaction_end', 'outcome'],
    )
    assert.deepEqual(
      events[1]?.steps?.steps.map(({ op }) => op),
      [0x60, 0x5f, 0x55, 0x00],
    )
    assert.deepEqual(events[3]?.outcome?.computed, (await adapter.execute(request)).computed)
    const refused = adapter.trace({ ...request, block_hash: new Uint8Array(31) }).toArray()
    assert.equal(await codeOf(refused), status.INVALID_ARGUMENT)
  }))

void test('executes and traces what was uploaded; what was not is not found', () =>
  withAdapter(async (adapter) => {
    const made = await makeBlock({ code: STORE })
    const { content: file, ...bare } = requestOf(made)
    const bytes = file as Uint8Array
    const uploaded = createHash('sha256').update(bytes).digest()
    const request = { ...bare, uploaded }
    const first = { digest: uploaded, length: bytes.length, content: bytes.subarray(0, 100) }
    const rest = { content: bytes.subarray(100) }

    assert.equal(await codeOf(adapter.execute({ ...bare, uploaded: uploaded.subarray(1) })), status.INVALID_ARGUMENT)
    assert.equal(await codeOf(adapter.upload([first, rest], true)), status.CANCELLED)
    assert.equal(await codeOf(adapter.upload([first])), status.INVALID_ARGUMENT)
    assert.equal(await codeOf(adapter.upload([])), status.INVALID_ARGUMENT)
    assert.equal(await codeOf(adapter.upload([{ ...first, length: 2 ** 40 }])), status.RESOURCE_EXHAUSTED)
    assert.equal(await codeOf(adapter.execute(request)), status.NOT_FOUND)
    assert.equal(await codeOf(adapter.trace(request).toArray()), status.NOT_FOUND)

    await adapter.upload([first, rest])
    const sent = await adapter.execute({ ...bare, content: bytes })
    for (let again = 0; again < 2; again++) {
      assert.deepEqual((await adapter.execute(request)).computed, sent.computed)
    }
    const events = (await adapter.trace(request).toArray()) as TraceEvent[]
    assert.deepEqual(events.at(-1)?.outcome?.computed, sent.computed)
    assert.ok(sent.computed)
  }))

void test('a trace waits for its reader, and one that is given up leaves its worker as it was', () =>
  withAdapter(async (adapter) => {
    const endless = requestOf(await makeBlock({ code: SPIN, gasLimit: ENDLESS }))
    const quick = requestOf(await makeBlock({ code: STORE }))
    const call = adapter.trace(endless)
    // What comes is not read: everything between there and here fills up, and the worker waits.
    await once(call, 'readable')
    for (let others = 0; others < 40; others++) assert.ok((await adapter.execute(quick)).computed)
    call.on('error', () => undefined) // that it was cancelled
    call.cancel()
    await adapter.logged('event=trace-ended')
    const [, events] = /event=trace-ended .* events=(\d+)/u.exec(adapter.errors) ?? []
    assert.ok(Number(events) > WINDOW && Number(events) < 100, events)
    const late = adapter.trace(endless, 1500)
    late.resume()
    const [error] = (await once(late, 'error')) as [ServiceError]
    assert.equal(error.code, status.DEADLINE_EXCEEDED)
    assert.ok((await adapter.execute(quick)).computed)
    assert.equal(adapter.errors.includes('worker-replaced'), false, adapter.errors)
  }))

for (const [what, end] of [
  [
    'the end of standard input',
    (adapter: AdapterProcess) => {
      adapter.endInput()
    },
  ],
  [
    'SIGTERM',
    (adapter: AdapterProcess) => {
      adapter.signal('SIGTERM')
    },
  ],
  [
    'SIGINT',
    (adapter: AdapterProcess) => {
      adapter.signal('SIGINT')
    },
  ],
] as const) {
  void test(`ends at once with ${what}, also in the middle of a request`, async () => {
    const adapter = new AdapterProcess()
    await adapter.logged('event=warm ')
    const running = codeOf(adapter.execute(requestOf(await makeBlock({ code: SPIN, gasLimit: ENDLESS }))))
    await adapter.describe() // sent after it, on the same connection: it is in
    end(adapter)
    assert.equal(await running, status.UNAVAILABLE)
    assert.deepEqual(await adapter.end(), [0, null], adapter.errors)
    assert.equal(existsSync(adapter.socket), false)
  })
}
