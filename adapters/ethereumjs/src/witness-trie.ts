// The client's Merkle-Patricia trie over a witness, with the one check it lacks: whether a node may stand where it does.
//
// The keys of account and storage tries are hashes, all of 64 nibbles. A leaf that ends elsewhere reads as "absent" in
// the client, which would be an answer without a proof.

import { BranchMPTNode, LeafMPTNode, MerklePatriciaTrie, type MPTNode, type Path } from '@ethereumjs/mpt'
import type { Common } from '@ethereumjs/common'
import { ValueEncoding } from '@ethereumjs/util'

import { keccak256 } from './cryptography.js'
import type { Misses } from './misses.js'
import type { WitnessDatabase } from './witness-database.js'

const KEY_NIBBLES = 64

export class WitnessTrie extends MerklePatriciaTrie {
  constructor(
    root: Uint8Array,
    database: WitnessDatabase,
    private readonly misses: Misses,
    common: Common,
  ) {
    super({ root, db: database, valueEncoding: ValueEncoding.Bytes, useKeyHashing: true, common })
  }

  override async findPath(
    key: Uint8Array,
    throwIfMissing?: boolean,
    partialPath?: { stack: MPTNode[] },
  ): Promise<Path> {
    const path = await super.findPath(key, throwIfMissing, partialPath)
    let depth = 0
    for (const node of path.stack) {
      const length = node instanceof BranchMPTNode ? 1 : node.keyLength()
      const fits = node instanceof LeafMPTNode ? depth + length === KEY_NIBBLES : depth + length < KEY_NIBBLES
      // A branch below 63 nibbles has its children at the key's end.
      if (!fits && !(node instanceof BranchMPTNode && depth + length === KEY_NIBBLES)) {
        throw this.misses.node(keccak256(node.serialize()), ': it is there, but its path does not end with the key')
      }
      depth += length
    }
    return path
  }

  /** The value at `key`, where `isValue` says that it is one; a leaf with any other is as good as missing. */
  async read(key: Uint8Array, isValue: (value: Uint8Array) => boolean): Promise<Uint8Array | undefined> {
    const value = (await this.get(key)) ?? undefined
    if (value === undefined || isValue(value)) return value
    const { node } = await this.findPath(this.appliedKey(key))
    throw this.misses.node(keccak256((node as MPTNode).serialize()), ': it is there, but its value is not well-formed')
  }
}
