// What ends a request without computed values: each is an ordinary answer, and thrown from wherever it is found.

import type { AbstentionReason, ExecuteResponse, Missing as MissingMessage, Rule } from './messages.js'
import { describeMissing, type Missing } from './misses.js'

const MAX_DETAIL_LENGTH = 500 // characters; a detail is one line for a log, not a dump of the client's objects

/** The block breaks a rule of the protocol. */
export class BrokenRule extends Error {
  constructor(
    readonly rule: Rule,
    detail: string,
  ) {
    super(detail)
  }
}

/** Nothing can be said about the block, for a reason that is not the block's. */
export class Abstention extends Error {
  constructor(
    readonly reason: AbstentionReason,
    detail: string,
  ) {
    super(detail)
  }
}

/** The file is damaged, of another block, or not what the verifier trusts. */
export class Refusal extends Abstention {
  constructor(detail: string) {
    super('ABSTENTION_REASON_REFUSED', detail)
  }
}

/** One line, printable, of bounded length. */
export function oneLine(text: string): string {
  const line = text.replace(/\s+/gu, ' ').trim().replace(/\p{C}/gu, '?')
  return line.length <= MAX_DETAIL_LENGTH ? line : `${line.slice(0, MAX_DETAIL_LENGTH - 1)}…`
}

export function abstained(reason: AbstentionReason, detail: string, missing: MissingMessage[] = []): ExecuteResponse {
  return { abstention: { reason, detail: oneLine(detail), missing } }
}

/** The client, or the code around it, failed; contained. */
export function crashed(detail: string): ExecuteResponse {
  return abstained('ABSTENTION_REASON_CRASHED', detail)
}

export function insufficient(missing: Missing): ExecuteResponse {
  const message: MissingMessage = {
    kind: `KIND_${missing.kind.toUpperCase() as Uppercase<Missing['kind']>}`,
    hash: ('hash' in missing ? missing.hash : undefined) ?? new Uint8Array(),
    number: missing.kind === 'header' ? missing.number.toString() : '0',
    where: oneLine(missing.where),
    address: 'address' in missing ? missing.address : new Uint8Array(),
    key: 'key' in missing ? missing.key : new Uint8Array(),
  }
  return abstained('ABSTENTION_REASON_WITNESS_INSUFFICIENT', describeMissing(missing), [message])
}

/** The answer that an error means; anything but this module's errors is a crash. */
export function answerOf(error: unknown): ExecuteResponse {
  if (error instanceof BrokenRule) return { broken_rule: { rule: error.rule, detail: oneLine(error.message) } }
  if (error instanceof Abstention) return abstained(error.reason, error.message)
  return crashed(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
}
