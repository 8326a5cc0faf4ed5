// One block's witness as the database of the client's tries: nodes and codes by our own keccak-256.

import { KECCAK256_RLP, type BatchDBOp, type DB } from '@ethereumjs/util'

import { keccak256 } from './cryptography.js'
import { hex } from './hexadecimal.js'
import type { Misses } from './misses.js'
import { malformation } from './node-form.js'

const EMPTY_ROOT = hex(KECCAK256_RLP)

/** Reads from the witness and from what the client wrote; keys are hashes in lower-case hexadecimal. */
export class WitnessDatabase implements DB<string> {
  private readonly nodes = new Map<string, Uint8Array>()
  private readonly codes = new Map<string, Uint8Array>()
  private readonly written = new Map<string, Uint8Array>()
  private readonly wellFormed = new Set<string>()

  constructor(
    nodes: readonly Uint8Array[],
    codes: readonly Uint8Array[],
    private readonly misses: Misses,
  ) {
    for (const node of nodes) this.nodes.set(hex(keccak256(node)), node)
    for (const code of codes) this.codes.set(hex(keccak256(code)), code)
  }

  /** A trie node. Throws for one that is not there; the empty trie's root is no node, also where a recorder wrote it. */
  get(key: string): Promise<Uint8Array | undefined> {
    if (key === EMPTY_ROOT) return Promise.resolve(undefined)
    const own = this.written.get(key)
    if (own !== undefined) return Promise.resolve(own)
    const node = this.nodes.get(key)
    if (node === undefined) return Promise.reject(this.misses.node(Buffer.from(key, 'hex')))
    if (!this.wellFormed.has(key)) {
      const why = malformation(node)
      if (why !== undefined) {
        return Promise.reject(this.misses.node(Buffer.from(key, 'hex'), `: it is there, but no trie node: ${why}`))
      }
      this.wellFormed.add(key)
    }
    return Promise.resolve(node)
  }

  put(key: string, node: Uint8Array): Promise<void> {
    this.written.set(key, node)
    return Promise.resolve()
  }

  /** Nothing: a node that one trie gave up may still be part of another. */
  del(): Promise<void> {
    return Promise.resolve()
  }

  batch(operations: BatchDBOp<string>[]): Promise<void> {
    for (const operation of operations) {
      if (operation.type === 'put') this.written.set(operation.key, operation.value)
    }
    return Promise.resolve()
  }

  /** All tries share one database, and what they write. */
  shallowCopy(): this {
    return this
  }

  open(): Promise<void> {
    return Promise.resolve()
  }

  /** A code by its hash. Throws where it is not there. */
  code(hash: Uint8Array): Uint8Array {
    const code = this.codes.get(hex(hash))
    if (code === undefined) throw this.misses.note({ kind: 'code', hash, where: this.misses.reading })
    return code
  }

  hasCode(hash: Uint8Array): boolean {
    return this.codes.has(hex(hash))
  }

  putCode(code: Uint8Array): void {
    this.codes.set(hex(keccak256(code)), code)
  }
}
