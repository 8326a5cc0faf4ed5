// What goes between the server's thread and a worker's.

import type { ExecuteRequest, ExecuteResponse } from './messages.js'

/** To a worker: one request. */
export interface Assignment {
  readonly request: ExecuteRequest
}

/** From a worker: that it is warm, once, and then an answer to each request. */
export type Report =
  { readonly kind: 'warm' } | { readonly kind: 'answer'; readonly response: ExecuteResponse; readonly isLast: boolean }

/** One request on its way. */
export interface Job {
  readonly request: ExecuteRequest
  answer(response: ExecuteResponse): void
}
