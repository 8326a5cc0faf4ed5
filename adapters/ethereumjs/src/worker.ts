// One client on a thread that can be thrown away: takes a request, answers it, takes the next.

import { parentPort } from 'node:worker_threads'

import { crashed } from './answer.js'
import { execute } from './execution.js'
import type { Assignment, Report } from './jobs.js'
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

await warmUp()
port.on('message', ({ request }: Assignment) => {
  void execute(request).then((response) => {
    report({ kind: 'answer', response, isLast: false })
  })
})
report({ kind: 'warm' })
