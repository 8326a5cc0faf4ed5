// Start-up work that would otherwise fall into the first requests: curves and trusted setup loaded (which importing
// `cryptography` does), and the client's code compiled by executing a block of our own.

import { createBlock, createBlockFromRLP } from '@ethereumjs/block'
import { createLegacyTx } from '@ethereumjs/tx'
import { KECCAK256_RLP, hexToBytes } from '@ethereumjs/util'

import { Ancestry } from './ancestry.js'
import { run } from './block-run.js'
import { ChainConfig } from './chain-config.js'
import { clientRules } from './client-rules.js'
import { customCrypto } from './cryptography.js'
import { Misses } from './misses.js'
import { WitnessState } from './state.js'
import { WitnessDatabase } from './witness-database.js'

/** Prague from its first block on, without any contract. */
const CONFIG = Buffer.from('{"chainId":1337,"londonBlock":0,"terminalTotalDifficulty":0,"pragueTime":0}')
const KEY = new Uint8Array(32).fill(0x45)
const GAS_LIMIT = 30_000_000
const ROUNDS = 3

/** Compressed point at infinity: commitment and proof of the polynomial 0, which is 0 everywhere. */
const INFINITY = `0xc0${'00'.repeat(47)}`
const ZERO = `0x${'00'.repeat(32)}`

/** Counts down from 200; hashes, stores, loads and logs at each step. */
const STORING = '6100c8 5b 805f52 60205f20 8155 805450 8060205fa1 60019003 80600357 00'
/** Counts down from 20,000, with some arithmetic. */
const COUNTING = '614e20 5b 8080026007016003900650 60019003 80600357 00'
/** Calls the precompiled contracts 1 to 17 with 128 zero bytes and 100,000 gas each. */
const CALLING = Array.from(
  { length: 17 },
  (_, index) => `5f5f60805f60${(index + 1).toString(16).padStart(2, '0')}620186a0fa50`,
).join('')

/** Rejects where the client cannot do what it has to. */
export async function warmUp(): Promise<void> {
  if (customCrypto.kzg?.verifyProof(INFINITY, ZERO, ZERO, INFINITY) !== true) throw new Error('KZG does not verify')
  for (let round = 0; round < ROUNDS; round++) await executeOwnBlock()
}

/** Creates three contracts, whose initialisation is what runs; at a price of 0, so that nobody has to own anything. */
async function executeOwnBlock(): Promise<void> {
  const position = { number: 1n, timestamp: 1n, difficulty: 0n }
  const config = ChainConfig.parse(CONFIG)
  const rules = clientRules(config, position, false)
  const transactions = [STORING, COUNTING, CALLING].map((code, nonce) => {
    const data = hexToBytes(`0x${code.replace(/ /gu, '')}`)
    return createLegacyTx({ nonce, gasPrice: 0, gasLimit: GAS_LIMIT / 3, data }, { common: rules }).sign(KEY)
  })
  const header = { number: 1n, timestamp: 1n, gasLimit: GAS_LIMIT, baseFeePerGas: 0n }
  const made = createBlock({ header, transactions }, { common: rules, setHardfork: true })
  const block = createBlockFromRLP(made.serialize(), { common: rules, setHardfork: true })
  const misses = new Misses()
  const state = new WitnessState(KECCAK256_RLP, new WitnessDatabase([], [], misses), misses, rules)
  const ancestry = Ancestry.of(1n, new Uint8Array(32), [], true, new Map(), misses)
  const { receipts } = await run(block, config.forkAt(position), rules, state, ancestry, misses)
  if (receipts.some((receipt) => !('status' in receipt) || receipt.status !== 1)) {
    throw new Error('EthereumJS does not execute the block that it is warmed with')
  }
}
