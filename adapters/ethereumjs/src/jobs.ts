// What goes between the server's thread and a worker's.

import type { ExecuteRequest, ExecuteResponse } from './messages.js'
import type { Range } from './tracing.js'

/** What a trace needs besides its request: which transactions, and the memory of its `Flow`. */
export interface TraceWish {
  readonly range: Range
  readonly flow: SharedArrayBuffer
}

/** To a worker: one request. */
export interface Assignment {
  readonly request: ExecuteRequest
  readonly trace?: TraceWish
}

/** From a worker: that it is warm, once, and then an answer to each request; before that the events of a trace, encoded. */
export type Report =
  | { readonly kind: 'warm' }
  | { readonly kind: 'event'; readonly event: Uint8Array }
  | { readonly kind: 'answer'; readonly response: ExecuteResponse; readonly isLast: boolean }

/** One request on its way. */
export interface Job extends Assignment {
  answer(response: ExecuteResponse): void
  /** Takes an event of the trace. */
  event?(event: Uint8Array): void
  /** Asks the worker to end the job by itself. Where there is no such way, its thread is ended. */
  stop?(): void
}
