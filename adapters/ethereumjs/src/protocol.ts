// The services, as the protocol file defines them.

import { fileURLToPath } from 'node:url'

import type { ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

import type { TraceEvent } from './messages.js'

export const SERVICE = 'verifier.rpc.v1.StatelessExecutor'
const PROTOCOLS = fileURLToPath(new URL('../../../proto', import.meta.url))

/** How messages look in JavaScript; `messages.ts` has the types. */
export const FORM = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true } as const

/** What Trace's handler writes: a message, or one that a worker has encoded already. */
export type WrittenTraceEvent = TraceEvent | Uint8Array

/**
 * The service as clients and servers know it. Trace's events may be written encoded: steps come by the hundred thousand,
 * and the server's one thread is to have as little of them as it can.
 */
export function executorService(): ServiceDefinition {
  const service = load()
  const trace = service['Trace'] as ServiceDefinition[string]
  const encode = trace.responseSerialize
  const responseSerialize = (event: WrittenTraceEvent): Buffer =>
    event instanceof Uint8Array ? Buffer.from(event.buffer, event.byteOffset, event.byteLength) : encode(event)
  return { ...service, Trace: { ...trace, responseSerialize } }
}

/** Encodes events of Trace. */
export function traceEventEncoder(): (event: TraceEvent) => Uint8Array {
  const { responseSerialize } = load()['Trace'] as ServiceDefinition[string]
  return responseSerialize
}

function load(): ServiceDefinition {
  return loadSync('verifier/rpc/v1/executor.proto', { ...FORM, includeDirs: [PROTOCOLS] })[SERVICE] as ServiceDefinition
}
