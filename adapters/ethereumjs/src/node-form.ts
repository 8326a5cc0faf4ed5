// The form of a trie node, checked before the client's trie decoder sees it (yellow paper, appendix D).
//
// That decoder takes whatever has 2 or 17 items, and fails in promises that nobody awaits. Bytes that do not pass are as
// good as missing (adapters/CONTRACT.md, 4). Where in the trie a node may stand is checked by `WitnessTrie`.

import { MalformedRlp, itemsOf, type Span } from './rlp.js'

const HASH_LENGTH = 32 // bytes; a node of at least this length is referenced by its hash
const BRANCH_ITEMS = 17

/** Why `encoded` is no trie node; undefined where it is one. */
export function malformation(encoded: Uint8Array): string | undefined {
  try {
    check(encoded)
    return undefined
  } catch (error) {
    if (error instanceof MalformedRlp) return error.message
    throw error
  }
}

function check(encoded: Uint8Array): void {
  const items = itemsOf(encoded)
  const [path, value] = items
  if (items.length === 2 && path !== undefined && value !== undefined) checkShort(encoded, path, value)
  else if (items.length === BRANCH_ITEMS) checkBranch(encoded, items)
  else throw new MalformedRlp('a node has 2 or 17 items')
}

function checkShort(encoded: Uint8Array, path: Span, value: Span): void {
  const first = encoded[path.payload]
  if (path.isList || first === undefined || path.payload === path.end) throw new MalformedRlp('no path')
  const flag = first >> 4
  if (flag > 3) throw new MalformedRlp('unknown flag of a path')
  if (flag % 2 === 0 && first % 16 !== 0) throw new MalformedRlp('padding of a path is not zero')
  if (flag >= 2) {
    if (value.isList || value.payload === value.end) throw new MalformedRlp('a leaf without a value')
    return
  }
  // An extension of no nibbles would let a chain of nodes be of any depth.
  if (path.end - path.payload === 1 && flag % 2 === 0) throw new MalformedRlp('the path of an extension is empty')
  if (!hasChild(encoded, value)) throw new MalformedRlp('an extension without a child')
}

function checkBranch(encoded: Uint8Array, items: Span[]): void {
  const value = items[BRANCH_ITEMS - 1] as Span
  // Keys all have the same length, so none ends at a branch.
  if (value.isList || value.payload !== value.end) throw new MalformedRlp('a branch with a value')
  const children = items.slice(0, -1).filter((child) => hasChild(encoded, child)).length
  if (children < 2) throw new MalformedRlp('a branch with less than two children')
}

/** Whether there is a child: the empty string (none), 32 bytes (a hash), or a node of less than 32 bytes, embedded. */
function hasChild(encoded: Uint8Array, child: Span): boolean {
  const length = child.end - child.payload
  if (!child.isList && length === 0) return false
  if (!child.isList && length === HASH_LENGTH) return true
  if (child.isList && child.end - child.start < HASH_LENGTH) {
    check(encoded.subarray(child.start, child.end))
    return true
  }
  throw new MalformedRlp('a child reference is neither a hash nor an embedded node')
}
