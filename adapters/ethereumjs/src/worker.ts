// One client on a thread that can be thrown away: takes a request, answers it, takes the next.

import { parentPort } from 'node:worker_threads'

import { crashed } from './answer.js'
import { execute } from './execution.js'
import { Flow } from './flow.js'
import type { Assignment, Report, TraceWish } from './jobs.js'
import { traceEventEncoder } from './protocol.js'
import { Tracing } from './tracing.js'
import { warmUp } from './warm-up.js'

const port = parentPort
if (port === null) throw new Error('worker.js is started by main.js')

function report(message: Report): void {
  port?.postMessage(message)
}

// A rejection that nobody awaited: what the client was doing is lost, and its state on this thread may be broken.
process.on('unhandledRejection', (reason) => {
  report({ kind: 'answer', response: crashed(`EthereumJS lost an error: ${String(reason)}`), isLast: true })
})

const encode = traceEventEncoder()

/** Its events go to the server's thread one by one, each when there is room for it. */
function tracingOf({ range, flow: memory }: TraceWish): Tracing {
  const flow = new Flow(memory)
  return new Tracing(range, (event) => {
    flow.take()
    const bytes = new Uint8Array(encode(event)) // the encoder's own may be a part of something larger
    port?.postMessage({ kind: 'event', event: bytes } satisfies Report, [bytes.buffer])
  })
}

await warmUp()
port.on('message', ({ request, trace }: Assignment) => {
  void execute(request, trace && tracingOf(trace)).then((response) => {
    report({ kind: 'answer', response, isLast: false })
  })
})
report({ kind: 'warm' })
