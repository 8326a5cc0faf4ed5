import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Job } from '../dist/jobs.js'
import type { ExecuteRequest, ExecuteResponse } from '../dist/messages.js'
import { Pool } from '../dist/pool.js'

/** A worker that does what the path of the request says. */
const SCRIPT = new URL(
  `data:text/javascript,${encodeURIComponent(`
  import { parentPort } from 'node:worker_threads'
  const answer = (detail, isLast = false) => parentPort.postMessage({
    kind: 'answer', isLast, response: { abstention: { reason: 'ABSTENTION_REASON_REFUSED', detail, missing: [] } },
  })
  process.on('unhandledRejection', () => answer('lost', true))
  parentPort.on('message', ({ request: { path } }) => {
    if (path === 'spin') for (;;);
    if (path === 'exit') process.exit(7)
    if (path === 'throw') throw new Error('a bug')
    if (path === 'lose') return void Promise.reject(new Error('nobody awaits this'))
    if (path === 'hoard') for (const hoard = []; ;) hoard.push({ more: [hoard.length] })
    if (path === 'print') console.log('on standard output')
    answer('done: ' + path)
  })
  parentPort.postMessage({ kind: 'warm' })
`)}`,
)

class Harness {
  readonly warmCounts: number[] = []
  private readonly waiting = new Set<() => void>()
  readonly pool: Pool

  constructor(size: number, queueSize: number) {
    const warmChanged = (warm: number): void => {
      this.warmCounts.push(warm)
      for (const wake of this.waiting) wake()
    }
    this.pool = new Pool({ size, queueSize, warmChanged, script: SCRIPT, limits: { maxOldGenerationSizeMb: 24 } })
    this.pool.start()
  }

  async warm(count: number): Promise<void> {
    while (this.warmCounts.at(-1) !== count) {
      await new Promise<void>((resolve) => {
        this.waiting.add(resolve)
      })
    }
  }

  submit(path: string): { job: Job; isIn: boolean; answer: Promise<string> } {
    let resolve: (response: ExecuteResponse) => void = () => undefined
    const answer = new Promise<ExecuteResponse>((done) => {
      resolve = done
    }).then(({ abstention }) => `${abstention?.reason}: ${abstention?.detail}`)
    const job = { request: { path } as ExecuteRequest, answer: resolve }
    return { job, isIn: this.pool.submit(job), answer }
  }
}

async function withPool(size: number, queueSize: number, scenario: (harness: Harness) => Promise<void>): Promise<void> {
  const harness = new Harness(size, queueSize)
  try {
    await harness.warm(size)
    await scenario(harness)
  } finally {
    await harness.pool.stop()
  }
}

void test('answers as many as there are places for, and no more', () =>
  withPool(2, 2, async (harness) => {
    const running = [harness.submit('spin'), harness.submit('spin')]
    const queued = [harness.submit('a'), harness.submit('b')]
    assert.equal(harness.submit('c').isIn, false)
    for (const { job } of running) harness.pool.cancel(job)
    assert.deepEqual(await Promise.all(queued.map(({ answer }) => answer)), [
      'ABSTENTION_REASON_REFUSED: done: a',
      'ABSTENTION_REASON_REFUSED: done: b',
    ])
    assert.equal(harness.submit('d').isIn, true)
  }))

void test('a request given up in the queue is not started', () =>
  withPool(1, 2, async (harness) => {
    const running = harness.submit('spin')
    const given = harness.submit('exit')
    const last = harness.submit('a')
    harness.pool.cancel(given.job)
    assert.equal(harness.submit('b').isIn, true)
    harness.pool.cancel(running.job)
    assert.equal(await last.answer, 'ABSTENTION_REASON_REFUSED: done: a')
  }))

for (const [path, detail] of [
  ['exit', 'the worker ended with status 7'],
  ['throw', 'the worker ended by Error: a bug'],
  ['hoard', 'the worker ran out of memory'],
] as const) {
  void test(`contains a worker that ends: ${path}`, () =>
    withPool(1, 1, async (harness) => {
      assert.equal(await harness.submit(path).answer, `ABSTENTION_REASON_CRASHED: ${detail}`)
      await harness.warm(1)
      assert.equal(await harness.submit('a').answer, 'ABSTENTION_REASON_REFUSED: done: a')
    }))
}

void test('replaces a worker whose client lost an error', () =>
  withPool(1, 1, async (harness) => {
    assert.equal(await harness.submit('lose').answer, 'ABSTENTION_REASON_REFUSED: lost')
    await harness.warm(0)
    await harness.warm(1)
    assert.equal(await harness.submit('a').answer, 'ABSTENTION_REASON_REFUSED: done: a')
  }))

void test('keeps what a worker prints off standard output', () =>
  withPool(1, 1, async (harness) => {
    assert.equal(await harness.submit('print').answer, 'ABSTENTION_REASON_REFUSED: done: print')
  }))
