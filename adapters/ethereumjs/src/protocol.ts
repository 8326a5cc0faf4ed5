// The services, as the protocol file defines them.

import { fileURLToPath } from 'node:url'

import { loadPackageDefinition, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

export const SERVICE = 'verifier.rpc.v1.StatelessExecutor'
const PROTOCOLS = fileURLToPath(new URL('../../../proto', import.meta.url))

/** How messages look in JavaScript; `messages.ts` has the types. */
export const FORM = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true } as const

interface Loaded {
  verifier: { rpc: { v1: { StatelessExecutor: { service: ServiceDefinition } } } }
}

export function executorService(): ServiceDefinition {
  const definition = loadSync('verifier/rpc/v1/executor.proto', { ...FORM, includeDirs: [PROTOCOLS] })
  return (loadPackageDefinition(definition) as unknown as Loaded).verifier.rpc.v1.StatelessExecutor.service
}
