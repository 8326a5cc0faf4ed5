// Whether a request is well formed, whatever it is about.

import { isAbsolute } from 'node:path'

import type { ExecuteRequest } from './messages.js'

const HASH_LENGTH = 32 // bytes
const MODES = ['MODE_UNSPECIFIED', 'MODE_PROOF', 'MODE_PRESTATE']

/** Why a request is not well formed; undefined where it is. */
export function invalidArgument(request: ExecuteRequest): string | undefined {
  if (request.witness === undefined) return 'the request names no witness'
  if (request.witness === 'path' && !isAbsolute(request.path ?? '')) return `the path ${request.path} is not absolute`
  const hashes = [
    ['block_hash', request.block_hash] as const,
    ['pre_state_root', request.pre_state_root] as const,
    ...(request.witness === 'uploaded' ? [['uploaded', request.uploaded as Uint8Array] as const] : []),
    ...request.ancestor_hashes.map(({ number, hash }) => [`the hash of ancestor ${number}`, hash] as const),
  ]
  for (const [name, { length }] of hashes) {
    if (length !== HASH_LENGTH) return `${name} has ${length} bytes, ${HASH_LENGTH} expected`
  }
  if (!MODES.includes(request.mode)) return `mode ${request.mode} is not known`
  return undefined
}

/** The request without what its other forms left empty, for another thread. uploaded: the file that it names as uploaded. */
export function bare(
  { witness, path, content, uploaded: _, ...rest }: ExecuteRequest,
  uploaded: Uint8Array | undefined,
): ExecuteRequest {
  if (witness === 'path') return { ...rest, path: path as string }
  return { ...rest, content: (witness === 'uploaded' ? uploaded : content) as Uint8Array }
}
