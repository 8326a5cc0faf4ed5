// What the client asked for and the witness does not have.
//
// The client swallows some misses and turns others into other errors. The first one is kept here, and it is looked at
// before any other outcome is believed.

import { prefixed } from './hexadecimal.js'

export type Missing =
  | { readonly kind: 'node' | 'code'; readonly hash: Uint8Array; readonly where: string }
  | { readonly kind: 'header'; readonly hash?: Uint8Array; readonly number: bigint; readonly where: string }
  | { readonly kind: 'account'; readonly address: Uint8Array; readonly where: string }
  | { readonly kind: 'slot'; readonly address: Uint8Array; readonly key: Uint8Array; readonly where: string }

/** Ends the client's run where it reads; never an answer by itself, `Misses.first` is. */
export class MissingFromWitness extends Error {
  constructor(readonly missing: Missing) {
    super(describeMissing(missing))
  }
}

export class Misses {
  /** What was missed first. What is missed after it may be a consequence. */
  first: Missing | undefined
  /** One line about what is being read: it becomes part of a miss. */
  reading = ''

  /** Notes what is missing, and gives the error to throw. */
  note(missing: Missing): MissingFromWitness {
    this.first ??= missing
    return new MissingFromWitness(missing)
  }

  node(hash: Uint8Array, why = ''): MissingFromWitness {
    return this.note({ kind: 'node', hash, where: this.reading + why })
  }

  /** What `read` gives; undefined, and nothing noted but to `missed`, where the witness lacks what it needs. */
  async attempt<Value>(
    read: () => Promise<Value> | Value,
    missed?: (missing: Missing) => void,
  ): Promise<{ value: Value } | undefined> {
    const before = this.first
    try {
      return { value: await read() }
    } catch (error) {
      if (!(error instanceof MissingFromWitness)) throw error
      this.first = before
      missed?.(error.missing)
      return undefined
    }
  }
}

/** One line. */
export function describeMissing(missing: Missing): string {
  return `missing ${missing.kind}${nameOf(missing)} (${missing.where})`
}

function nameOf(missing: Missing): string {
  switch (missing.kind) {
    case 'account':
      return ` ${prefixed(missing.address)}`
    case 'slot':
      return ` ${prefixed(missing.key)} of ${prefixed(missing.address)}`
    case 'header':
      return ` ${missing.number}${missing.hash === undefined ? '' : ` ${prefixed(missing.hash)}`}`
    default:
      return ` ${prefixed(missing.hash)}`
  }
}
