// The headers of the witness, bound to the block by hash.

import { Refusal } from './answer.js'
import { keccak256 } from './cryptography.js'
import { sameBytes } from './hexadecimal.js'
import type { Misses, MissingFromWitness } from './misses.js'
import { MalformedRlp, itemsOf } from './rlp.js'

/** How far below a block BLOCKHASH reaches. */
const WINDOW = 256n

export class Ancestry {
  private constructor(
    private readonly blockNumber: bigint,
    /** RLP by distance: the parent at 0. Fewer than hashes by one. */
    private readonly headers: readonly Uint8Array[],
    /** Of the parent, the grandparent, and so on. The lowest header names its parent's. */
    private readonly hashes: readonly Uint8Array[],
    /** By number, where no header is: what the verifier says of its own chain. */
    private readonly vouched: ReadonlyMap<bigint, Uint8Array>,
  ) {}

  /**
   * Checks the chain of headers below block `blockNumber`.
   *
   * headers: RLP, ascending. parentOptional: an empty list is no error. A list whose last header is not the parent always
   * is: nothing binds it to the block. vouched: hashes that the verifier vouches for; a header of the witness comes first.
   */
  static of(
    blockNumber: bigint,
    parentHash: Uint8Array,
    headers: readonly Uint8Array[],
    parentOptional: boolean,
    vouched: ReadonlyMap<bigint, Uint8Array>,
    misses: Misses,
  ): Ancestry {
    const parentMissing = (): MissingFromWitness =>
      misses.note({
        kind: 'header',
        hash: parentHash,
        number: blockNumber > 0n ? blockNumber - 1n : 0n,
        where: "the parent's header",
      })
    if (headers.length === 0 && !parentOptional) throw parentMissing()
    const hashes = [parentHash]
    const descending = headers.toReversed()
    for (const [distance, encoded] of descending.entries()) {
      if (!sameBytes(keccak256(encoded), hashes[distance] as Uint8Array)) {
        if (distance === 0) throw parentMissing()
        const number = blockNumber - 1n - BigInt(distance)
        throw new Refusal(`header ${number} of the witness has not the hash that its child names`)
      }
      hashes.push(parentHashOf(encoded))
    }
    return new Ancestry(blockNumber, descending, hashes, vouched)
  }

  /** RLP of the parent's header; undefined where the witness has none and the request allows that. */
  get parent(): Uint8Array | undefined {
    return this.headers[0]
  }

  /** RLP of the header that has this hash, if the witness has it. */
  header(hash: Uint8Array): Uint8Array | undefined {
    const distance = this.hashes.findIndex((known) => sameBytes(known, hash))
    return distance < 0 ? undefined : this.headers[distance]
  }

  /** Whether this is the hash of an ancestor, as far as the witness shows. */
  has(hash: Uint8Array): boolean {
    return this.hashes.some((known) => sameBytes(known, hash))
  }

  /** What BLOCKHASH answers for a number in its window. Throws where neither the witness nor the verifier knows. */
  blockHash(number: bigint, misses: Misses): Uint8Array {
    const distance = this.blockNumber - 1n - number
    const proven = distance >= 0n && distance < WINDOW ? this.hashes[Number(distance)] : undefined
    const hash = proven ?? this.vouched.get(number)
    if (hash === undefined) throw misses.note({ kind: 'header', number, where: 'BLOCKHASH' })
    return hash
  }
}

function parentHashOf(encoded: Uint8Array): Uint8Array {
  try {
    const first = itemsOf(encoded)[0]
    if (first === undefined || first.isList || first.end - first.payload !== 32) {
      throw new MalformedRlp('a parent hash is not 32 bytes')
    }
    return encoded.subarray(first.payload, first.end)
  } catch (error) {
    if (error instanceof MalformedRlp) throw new Refusal(`a header of the witness: ${error.message}`)
    throw error
  }
}
