// The server at its place: bound, served, healthy once warm.

import { rmSync } from 'node:fs'
import { isIPv6 } from 'node:net'

import { Server, ServerCredentials } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'

import type { Place } from './arguments.js'
import { MAX_CONCURRENT_REQUESTS } from './description.js'
import { rememberSocket, watchForSignals, watchLifeline } from './lifeline.js'
import { log } from './log.js'
import { Pool } from './pool.js'
import { SERVICE, executorService } from './protocol.js'
import { executor } from './service.js'
import { tlsCredentials } from './tls-credentials.js'
import { Uploads } from './uploads.js'

const MAX_REQUEST = 300 * 2 ** 20 // bytes; the contract asks for 256 MiB
const MAX_RESPONSE = 128 * 2 ** 20 // bytes; the contract asks for 64 MiB
const QUEUE_PER_WORKER = 2
const OWNER_ONLY = 0o177 // umask for a socket of mode 0600

/** Serves until a signal comes, or on a socket standard input ends; then the process ends. Throws WrongArguments. */
export async function serve(place: Place): Promise<void> {
  const credentials =
    place.kind === 'tcp' && place.tls !== undefined ? tlsCredentials(place.tls) : ServerCredentials.createInsecure()
  watchForSignals()
  if (place.kind === 'socket') watchLifeline()
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
  if (place.kind === 'socket') {
    await bindSocket(server, place.path, credentials)
    log('listening', { socket: place.path })
  } else {
    const host = isIPv6(place.host) ? `[${place.host}]` : place.host
    const port = await bind(server, `${host}:${place.port}`, credentials)
    log('listening', { address: `${host}:${port}` })
  }
  pool.start()
}

async function bindSocket(server: Server, path: string, credentials: ServerCredentials): Promise<void> {
  rmSync(path, { force: true })
  const previous = process.umask(OWNER_ONLY) // the socket is made with mode 0600, never wider
  try {
    await bind(server, `unix:${path}`, credentials)
  } finally {
    process.umask(previous)
  }
  rememberSocket(path)
}

/** The port that it is bound to. */
function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port)
      else reject(error)
    })
  })
}
