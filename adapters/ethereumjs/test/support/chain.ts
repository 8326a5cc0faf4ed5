// A chain of two blocks of our own: a parent, and a block on it that calls one contract.

import { createBlock, createBlockHeader, type Block } from '@ethereumjs/block'
import { MerklePatriciaTrie } from '@ethereumjs/mpt'
import { RLP } from '@ethereumjs/rlp'
import { createLegacyTx, type TypedTransaction } from '@ethereumjs/tx'
import {
  Account,
  Address,
  KECCAK256_RLP,
  MapDB,
  ValueEncoding,
  hexToBytes,
  privateToAddress,
  type PrefixedHexString as Hex,
} from '@ethereumjs/util'

import { ChainConfig } from '../../dist/chain-config.js'
import { clientRules } from '../../dist/client-rules.js'
import { keccak256 } from '../../dist/cryptography.js'
import type { ExecuteRequest } from '../../dist/messages.js'
import { encodeWitnessFile, type Content } from './witness-encoding.js'

export const CHAIN_ID = 1337
export const KEY = new Uint8Array(32).fill(0x45)
export const SENDER = new Address(privateToAddress(KEY))
export const CONTRACT = new Address(new Uint8Array(20).fill(0xaa))
export const SHANGHAI = {
  chainId: CHAIN_ID,
  londonBlock: 0,
  terminalTotalDifficulty: 0,
  shanghaiTime: 0,
}
const RICH = 10n ** 30n // wei
const BASE_FEE = 7n // wei
const NUMBER = 300n

export interface Made {
  readonly content: Content
  readonly block: Block
  readonly preStateRoot: Uint8Array
}

export interface Wish {
  /** Of the contract that the block's one transaction calls. */
  readonly code: string
  readonly config?: Readonly<Record<string, unknown>>
  readonly gasLimit?: bigint
  readonly storage?: ReadonlyMap<bigint, bigint>
  /** Further contracts: address and code. */
  readonly contracts?: Readonly<Record<Hex, Hex>>
  /** Of the contract, wei. */
  readonly balance?: bigint
}

/** A state of the sender and the contract, as its root and all its nodes. */
export async function makeState(
  code: Uint8Array,
  storage: ReadonlyMap<bigint, bigint> = new Map(),
  contracts: Readonly<Record<Hex, Hex>> = {},
  balance = 0n,
): Promise<{ root: Uint8Array; nodes: Uint8Array[] }> {
  const nodes = new Map<string, Uint8Array>()
  const trie = (): MerklePatriciaTrie =>
    new MerklePatriciaTrie({ useKeyHashing: true, db: new MapDB(nodes), valueEncoding: ValueEncoding.Bytes })
  const slots = trie()
  for (const [key, value] of storage) await slots.put(word(key), RLP.encode(value))
  const accounts = trie()
  await accounts.put(SENDER.bytes, new Account(0n, RICH).serialize())
  const storageRoot = storage.size > 0 ? slots.root() : KECCAK256_RLP
  await accounts.put(CONTRACT.bytes, new Account(1n, balance, storageRoot, keccak256(code)).serialize())
  for (const [address, other] of Object.entries(contracts) as [Hex, Hex][]) {
    await accounts.put(
      hexToBytes(address),
      new Account(1n, 0n, KECCAK256_RLP, keccak256(hexToBytes(other))).serialize(),
    )
  }
  return { root: accounts.root(), nodes: [...nodes.values()] }
}

/** The block and its witness. */
export async function makeBlock({
  code,
  config = SHANGHAI,
  gasLimit = 30_000_000n,
  storage,
  contracts = {},
  balance = 0n,
}: Wish): Promise<Made> {
  const codeBytes = hexToBytes(`0x${code}`)
  const { root, nodes } = await makeState(codeBytes, storage, contracts, balance)
  const chainConfig = Buffer.from(JSON.stringify(config))
  const position = { number: NUMBER, timestamp: NUMBER, difficulty: 0n }
  const rules = clientRules(ChainConfig.parse(chainConfig), position, false)
  const options = { common: rules, setHardfork: true }
  const parent = createBlockHeader(
    {
      number: NUMBER - 1n,
      timestamp: NUMBER - 1n,
      stateRoot: root,
      gasLimit,
      gasUsed: gasLimit / 2n, // at the target the base fee stays as it is
      baseFeePerGas: BASE_FEE,
    },
    options,
  )
  const transactions: TypedTransaction[] = [
    createLegacyTx({ nonce: 0, gasPrice: 10, gasLimit, to: CONTRACT }, { common: rules }).sign(KEY),
  ]
  const header = {
    parentHash: parent.hash(),
    number: NUMBER,
    timestamp: NUMBER,
    gasLimit,
    baseFeePerGas: BASE_FEE,
    coinbase: new Address(new Uint8Array(20).fill(0xc0)),
  }
  const draft = createBlock({ header, transactions }, options)
  const block = createBlock({ header: { ...header, transactionsTrie: await draft.genTxTrie() }, transactions }, options)
  return {
    content: {
      chainId: BigInt(CHAIN_ID),
      number: NUMBER,
      blockHash: block.hash(),
      block: block.serialize(),
      chainConfig,
      nodes,
      codes: [codeBytes, ...Object.values(contracts).map((other) => hexToBytes(other))],
      headers: [parent.serialize()],
    },
    block,
    preStateRoot: root,
  }
}

/** The request about such a block, with its bytes in it. */
export function requestOf({ content, preStateRoot }: Made): ExecuteRequest {
  return {
    content: encodeWitnessFile(content),
    block_hash: content.blockHash,
    pre_state_root: preStateRoot,
    mode: 'MODE_PROOF',
    chain_config: new Uint8Array(),
    parent_header_optional: false,
    ancestor_hashes: [],
  }
}

/** A slot's number as its key. */
export function word(value: bigint): Uint8Array {
  return hexToBytes(`0x${value.toString(16).padStart(64, '0')}`)
}
