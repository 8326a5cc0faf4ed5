// The `StatelessExecutor` service: requests checked for their form, admitted, answered by the pool.

import { isAbsolute } from 'node:path'

import { status, type UntypedServiceImplementation, type handleUnaryCall } from '@grpc/grpc-js'

import { describe } from './description.js'
import { prefixed } from './hexadecimal.js'
import type { Job } from './jobs.js'
import { log } from './log.js'
import type { DescribeResponse, ExecuteRequest, ExecuteResponse } from './messages.js'
import type { Pool } from './pool.js'

const HASH_LENGTH = 32 // bytes

export function executor(pool: Pool): UntypedServiceImplementation {
  const description = describe()
  const describeCall: handleUnaryCall<object, DescribeResponse> = (_, callback) => {
    callback(null, description)
  }
  const executeCall: handleUnaryCall<ExecuteRequest, ExecuteResponse> = (call, callback) => {
    const started = performance.now()
    const { request } = call
    const reason = invalidArgument(request)
    if (reason !== undefined) {
      callback({ code: status.INVALID_ARGUMENT, details: reason })
      return
    }
    const job: Job = {
      request: bare(request),
      answer: (response) => {
        const total_us = Math.floor((performance.now() - started) * 1000)
        const timings = { decode_us: 0, execute_us: 0, root_us: 0, ...response.timings, total_us }
        log('executed', { block: prefixed(request.block_hash), total_us, outcome: outcomeOf(response) })
        callback(null, { ...response, timings })
      },
    }
    // Also at the deadline, for which the library answers by itself.
    call.on('cancelled', () => {
      pool.cancel(job)
    })
    if (call.cancelled) return
    if (!pool.submit(job))
      callback({ code: status.RESOURCE_EXHAUSTED, details: 'every worker is busy and the queue is full' })
  }
  return { Describe: describeCall, Execute: executeCall }
}

/** Why a request is not well formed; undefined where it is. */
export function invalidArgument(request: ExecuteRequest): string | undefined {
  if (request.witness === undefined) return 'the request names no witness'
  if (request.witness === 'path' && !isAbsolute(request.path ?? '')) return `the path ${request.path} is not absolute`
  const hashes = [
    ['block_hash', request.block_hash] as const,
    ['pre_state_root', request.pre_state_root] as const,
    ...request.ancestor_hashes.map(({ number, hash }) => [`the hash of ancestor ${number}`, hash] as const),
  ]
  for (const [name, { length }] of hashes) {
    if (length !== HASH_LENGTH) return `${name} has ${length} bytes, ${HASH_LENGTH} expected`
  }
  if (request.mode !== 'MODE_PROOF' && request.mode !== 'MODE_UNSPECIFIED') return `mode ${request.mode} is not known`
  return undefined
}

/** The request without what its other form left empty, for another thread. */
function bare({ witness, path, content, ...rest }: ExecuteRequest): ExecuteRequest {
  return witness === 'content' ? { ...rest, content: content as Uint8Array } : { ...rest, path: path as string }
}

function outcomeOf({ computed, broken_rule, abstention }: ExecuteResponse): string {
  if (computed !== undefined) return 'computed'
  if (broken_rule !== undefined) return `${broken_rule.rule}: ${broken_rule.detail}`
  return `${abstention?.reason}: ${abstention?.detail}`
}
