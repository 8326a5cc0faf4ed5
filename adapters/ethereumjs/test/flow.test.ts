import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

import { Flow, TraceStopped } from '../dist/flow.js'

/** Takes and reports, for ever. */
const SCRIPT = new URL(
  `data:text/javascript,${encodeURIComponent(`
  import { parentPort, workerData } from 'node:worker_threads'
  const { Flow } = await import(workerData.module)
  const flow = new Flow(workerData.memory)
  try {
    for (;;) {
      flow.take()
      parentPort.postMessage('took')
    }
  } catch (error) {
    parentPort.postMessage(error.message)
  }
`)}`,
)

function taker(flow: Flow): Worker {
  return new Worker(SCRIPT, {
    workerData: { module: new URL('../dist/flow.js', import.meta.url).href, memory: flow.memory },
  })
}

void test('takes no more than was given, and ends where it is stopped', async () => {
  const flow = new Flow()
  const worker = taker(flow)
  const messages: string[] = []
  worker.on('message', (message: string) => messages.push(message))
  flow.give(2)
  while (messages.length < 2) await once(worker, 'message')
  flow.give(1)
  await once(worker, 'message')
  flow.stop()
  await once(worker, 'exit')
  assert.deepEqual(messages, ['took', 'took', 'took', 'the trace was given up'])
})

void test('a thread that waits can be ended', async () => {
  const flow = new Flow()
  const worker = taker(flow)
  flow.give(1)
  await once(worker, 'message')
  await worker.terminate()
})

void test('stopped before it starts', () => {
  const flow = new Flow()
  flow.give(3)
  flow.stop()
  assert.throws(() => {
    flow.take()
  }, TraceStopped)
})
