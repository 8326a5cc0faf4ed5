// The `StatelessExecutor` service: requests checked for their form, admitted, answered by the pool.

import {
  status,
  type ServerWritableStream,
  type UntypedServiceImplementation,
  type handleServerStreamingCall,
  type handleUnaryCall,
} from '@grpc/grpc-js'

import { describe } from './description.js'
import { Flow, WINDOW } from './flow.js'
import { prefixed } from './hexadecimal.js'
import type { Job } from './jobs.js'
import { log } from './log.js'
import type { DescribeResponse, ExecuteRequest, ExecuteResponse, TraceRequest } from './messages.js'
import type { Pool } from './pool.js'
import type { WrittenTraceEvent } from './protocol.js'
import { bare, invalidArgument } from './request-form.js'
import { uploadCall } from './upload-call.js'
import type { Uploads } from './uploads.js'

/** A gRPC error: the adapter itself cannot answer. */
interface Failure {
  readonly code: status
  readonly details: string
}

export function executor(pool: Pool, uploads: Uploads): UntypedServiceImplementation {
  const description = describe()
  const describeCall: handleUnaryCall<object, DescribeResponse> = (_, callback) => {
    callback(null, description)
  }
  const executeCall: handleUnaryCall<ExecuteRequest, ExecuteResponse> = (call, callback) => {
    const answer = timed('executed', call.request, (response) => {
      callback(null, response)
    })
    const failure = admit(pool, uploads, call, call.request, (request) => ({ request, answer }))
    if (failure !== undefined) callback(failure)
  }
  const traceCall: handleServerStreamingCall<TraceRequest, WrittenTraceEvent> = (call) => {
    const { execution } = call.request
    const failure =
      execution === null
        ? { code: status.INVALID_ARGUMENT, details: 'the request names no execution' }
        : admit(pool, uploads, call, execution, (request) => traceJob(call, request))
    if (failure !== undefined) call.emit('error', failure)
  }
  return { Describe: describeCall, Execute: executeCall, Trace: traceCall, Upload: uploadCall(uploads) }
}

/** Takes a request in; what is wrong otherwise. */
function admit(
  pool: Pool,
  uploads: Uploads,
  call: { readonly cancelled: boolean; on(event: 'cancelled', listener: () => void): unknown },
  request: ExecuteRequest,
  jobOf: (request: ExecuteRequest) => Job,
): Failure | undefined {
  const reason = invalidArgument(request)
  if (reason !== undefined) return { code: status.INVALID_ARGUMENT, details: reason }
  const uploaded = request.witness === 'uploaded' ? request.uploaded : undefined
  const file = uploaded && uploads.get(uploaded)
  if (uploaded !== undefined && file === undefined) {
    return { code: status.NOT_FOUND, details: `no upload with the digest ${prefixed(uploaded)} is held` }
  }
  const job = jobOf(bare(request, file))
  // Also at the deadline, for which the library answers by itself.
  call.on('cancelled', () => {
    pool.cancel(job)
  })
  if (call.cancelled || pool.submit(job)) return undefined
  return { code: status.RESOURCE_EXHAUSTED, details: 'every worker is busy and the queue is full' }
}

/** A trace whose worker gets room for another event as soon as the stream has taken one. */
function traceJob(call: ServerWritableStream<TraceRequest, WrittenTraceEvent>, request: ExecuteRequest): Job {
  const flow = new Flow()
  flow.give(WINDOW)
  let [owed, events] = [0, 0]
  call.on('drain', () => {
    flow.give(owed)
    owed = 0
  })
  return {
    request,
    trace: { range: { first: call.request.first, count: call.request.count }, flow: flow.memory },
    event: (event) => {
      events += 1
      if (call.write(event)) flow.give(1)
      else owed += 1
    },
    stop: () => {
      flow.stop()
    },
    answer: timed('traced', request, (outcome) => {
      log('trace-ended', { block: prefixed(request.block_hash), events })
      call.write({ outcome })
      call.end()
    }),
  }
}

/** Completes an answer with the time since now, and logs it. */
function timed(event: string, request: ExecuteRequest, answer: Job['answer']): Job['answer'] {
  const started = performance.now()
  return (response) => {
    const total_us = Math.floor((performance.now() - started) * 1000)
    const timings = { decode_us: 0, execute_us: 0, root_us: 0, ...response.timings, total_us }
    log(event, { block: prefixed(request.block_hash), total_us, outcome: outcomeOf(response) })
    answer({ ...response, timings })
  }
}

function outcomeOf({ computed, broken_rule, abstention }: ExecuteResponse): string {
  if (computed !== undefined) return 'computed'
  if (broken_rule !== undefined) return `${broken_rule.rule}: ${broken_rule.detail}`
  return `${abstention?.reason}: ${abstention?.detail}`
}
