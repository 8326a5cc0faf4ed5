// The server on its socket: bound, served, healthy once warm.

import { rmSync } from 'node:fs'

import { Server, ServerCredentials } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'

import { MAX_CONCURRENT_REQUESTS } from './description.js'
import { rememberSocket, watchForTheEnd } from './lifeline.js'
import { log } from './log.js'
import { Pool } from './pool.js'
import { SERVICE, executorService } from './protocol.js'
import { executor } from './service.js'
import { Uploads } from './uploads.js'

const MAX_REQUEST = 300 * 2 ** 20 // bytes; the contract asks for 256 MiB
const MAX_RESPONSE = 128 * 2 ** 20 // bytes; the contract asks for 64 MiB
const QUEUE_PER_WORKER = 2
const OWNER_ONLY = 0o177 // umask for a socket of mode 0600

/** Serves until standard input ends or a signal comes; then the process ends. */
export async function serve(socket: string): Promise<void> {
  watchForTheEnd()
  const health = new HealthImplementation({ '': 'NOT_SERVING', [SERVICE]: 'NOT_SERVING' })
  let wasComplete = false
  const pool = new Pool({
    size: MAX_CONCURRENT_REQUESTS,
    queueSize: MAX_CONCURRENT_REQUESTS * QUEUE_PER_WORKER,
    warmChanged: (warm) => {
      // After the first complete start one warm worker is enough: one that is being replaced only takes capacity away.
      if (!wasComplete && warm === MAX_CONCURRENT_REQUESTS) log('warm', { elapsed_ms: Math.round(performance.now()) })
      wasComplete ||= warm === MAX_CONCURRENT_REQUESTS
      for (const name of ['', SERVICE]) health.setStatus(name, wasComplete && warm > 0 ? 'SERVING' : 'NOT_SERVING')
    },
  })
  const server = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST,
    'grpc.max_send_message_length': MAX_RESPONSE,
  })
  server.addService(executorService(), executor(pool, new Uploads()))
  health.addToServer(server)
  await bind(server, socket)
  log('listening', { socket })
  pool.start()
}

async function bind(server: Server, socket: string): Promise<void> {
  rmSync(socket, { force: true })
  const previous = process.umask(OWNER_ONLY) // the socket is made with mode 0600, never wider
  try {
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
        if (error === null) resolve()
        else reject(error)
      })
    })
  } finally {
    process.umask(previous)
  }
  rememberSocket(socket)
}
