// Public fixtures (BlockchainTests of ethereum/tests and execution-spec-tests), executed block by block from witnesses
// that hold the whole state.

import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

import { MerklePatriciaTrie } from '@ethereumjs/mpt'
import { RLP } from '@ethereumjs/rlp'
import { Account, KECCAK256_RLP, MapDB, ValueEncoding, hexToBytes, type PrefixedHexString } from '@ethereumjs/util'

import { decodeFields, decodePosition, headerOf } from '../../dist/block-header.js'
import { keccak256 } from '../../dist/cryptography.js'
import { execute } from '../../dist/execution.js'
import { hex } from '../../dist/hexadecimal.js'
import type { Computed, ExecuteRequest, ExecuteResponse } from '../../dist/messages.js'
import { WitnessDatabase } from '../../dist/witness-database.js'
import { encodeWitnessFile, type Content } from './witness-encoding.js'

type Hex = PrefixedHexString

/** What is left out is empty. */
interface AccountJson {
  readonly nonce?: Hex
  readonly balance?: Hex
  readonly code?: Hex
  readonly storage?: Readonly<Record<string, Hex>>
}

export interface FixtureTest {
  readonly network: string
  readonly genesisRLP: Hex
  readonly pre: Readonly<Record<string, AccountJson>>
  readonly blocks: readonly { readonly rlp: Hex; readonly blockHeader?: unknown; readonly expectException?: string }[]
  readonly config?: {
    readonly chainid?: Hex
    readonly blobSchedule?: Readonly<Record<string, Readonly<Record<string, Hex>>>>
  }
}

/** A block that is not what the fixture says: VALID or INVALID, and what came out. */
export interface Outcome {
  readonly block: number
  readonly expected: 'VALID' | 'INVALID'
  readonly actual: 'VALID' | 'INVALID' | 'ABSTAIN'
  readonly detail: string
}

export function readJson(path: string): unknown {
  const content = readFileSync(path)
  return JSON.parse((path.endsWith('.gz') ? gunzipSync(content) : content).toString())
}

/** What else is done with a request before it is executed. */
export type AlsoWith = (content: Content, request: ExecuteRequest) => Promise<unknown>

/** Every block of the test, in order, each on the state that its parent's valid block left. */
export async function executeTest(test: FixtureTest, alsoWith?: AlsoWith): Promise<Outcome[]> {
  const genesis = headerOf(hexToBytes(test.genesisRLP))
  const chain = new FixtureChain(configOf(test), alsoWith)
  const root = await chain.addState(test.pre)
  if (Buffer.compare(root, decodeFields(genesis).stateRoot) !== 0)
    throw new Error('the genesis block has another state')
  chain.addHeader(genesis)
  const outcomes: Outcome[] = []
  for (const [block, { rlp, blockHeader, expectException }] of test.blocks.entries()) {
    const expected = expectException === undefined && blockHeader !== undefined ? 'VALID' : 'INVALID'
    outcomes.push({ block, expected, ...(await chain.execute(hexToBytes(rlp))) })
  }
  return outcomes
}

/** All state, codes and headers of a chain so far. */
export class FixtureChain {
  private readonly nodes = new Map<string, Uint8Array>()
  private readonly codes = new Map<string, Uint8Array>()
  private readonly headers = new Map<string, Uint8Array>()
  private readonly chainConfig: Uint8Array

  constructor(
    private readonly config: Readonly<Record<string, unknown>>,
    private readonly alsoWith?: AlsoWith,
  ) {
    this.chainConfig = Buffer.from(JSON.stringify(config))
  }

  addHeader(header: Uint8Array): void {
    this.headers.set(hex(keccak256(header)), header)
  }

  /** Adds the accounts' tries and codes; returns the state's root. */
  async addState(accounts: Readonly<Record<string, AccountJson>>): Promise<Uint8Array> {
    const state = this.trie()
    for (const [address, { nonce = '0x0', balance = '0x0', code = '0x', storage = {} }] of Object.entries(accounts)) {
      const slots = this.trie()
      for (const [key, value] of Object.entries(storage)) {
        if (BigInt(value) !== 0n) await slots.put(word(key), RLP.encode(BigInt(value)))
      }
      const codeBytes = hexToBytes(code)
      const codeHash = keccak256(codeBytes)
      this.codes.set(hex(codeHash), codeBytes)
      const account = new Account(BigInt(nonce), BigInt(balance), slots.root(), codeHash)
      await state.put(hexToBytes(`0x${address.replace(/^0x/u, '')}`), account.serialize())
    }
    return state.root()
  }

  private trie(): MerklePatriciaTrie {
    return new MerklePatriciaTrie({
      useKeyHashing: true,
      db: new MapDB(this.nodes),
      valueEncoding: ValueEncoding.Bytes,
      root: KECCAK256_RLP,
    })
  }

  async execute(block: Uint8Array): Promise<Omit<Outcome, 'block' | 'expected'>> {
    let header: Uint8Array
    let parentHash: Uint8Array
    try {
      header = headerOf(block)
      parentHash = RLP.decode(header)[0] as Uint8Array
    } catch (error) {
      return { actual: 'INVALID', detail: `nobody can find its hash: ${String(error)}` }
    }
    const headers = this.ancestors(parentHash)
    const parent = headers.at(-1)
    if (parent === undefined) return { actual: 'INVALID', detail: 'its parent is not there' }
    let position
    try {
      position = decodePosition(header)
    } catch (error) {
      return { actual: 'INVALID', detail: String(error) }
    }
    const blockHash = keccak256(header)
    const content: Content = {
      chainId: BigInt(this.config['chainId'] as number),
      number: position.number,
      blockHash,
      block,
      chainConfig: this.chainConfig,
      nodes: [...this.nodes.values()],
      codes: [...this.codes.values()],
      headers,
    }
    const request: ExecuteRequest = {
      content: encodeWitnessFile(content),
      block_hash: blockHash,
      pre_state_root: decodeFields(parent).stateRoot,
      mode: 'MODE_PROOF',
      chain_config: new Uint8Array(),
      parent_header_optional: false,
      ancestor_hashes: [],
    }
    await this.alsoWith?.(content, request)
    const written = recordWrites()
    const response = await execute(request)
    written.stop()
    const outcome = judge(response, header)
    if (outcome.actual === 'VALID') {
      for (const [hash, node] of written.nodes) this.nodes.set(hash, node)
      for (const [hash, code] of written.codes) this.codes.set(hash, code)
      this.addHeader(header)
    }
    return outcome
  }

  /** The headers below a block, ascending, at most 256. */
  private ancestors(parentHash: Uint8Array): Uint8Array[] {
    const headers: Uint8Array[] = []
    for (let hash = parentHash; headers.length < 256;) {
      const header = this.headers.get(hex(hash))
      if (header === undefined) break
      headers.unshift(header)
      hash = decodeFields(header).parentHash
    }
    return headers
  }
}

/** What the client writes to its database, which ends with the request. */
function recordWrites(): { nodes: Map<string, Uint8Array>; codes: Map<string, Uint8Array>; stop: () => void } {
  const nodes = new Map<string, Uint8Array>()
  const codes = new Map<string, Uint8Array>()
  const { prototype } = WitnessDatabase
  // eslint-disable-next-line @typescript-eslint/unbound-method -- each is called on the database that it is of
  const { put, batch, putCode } = prototype
  prototype.put = function (key, node) {
    nodes.set(key, node)
    return put.call(this, key, node)
  }
  prototype.batch = function (operations) {
    for (const operation of operations) if (operation.type === 'put') nodes.set(operation.key, operation.value)
    return batch.call(this, operations)
  }
  prototype.putCode = function (code) {
    codes.set(hex(keccak256(code)), code)
    putCode.call(this, code)
  }
  return { nodes, codes, stop: () => Object.assign(prototype, { put, batch, putCode }) }
}

/** As the verifier reads it. */
export function judge(response: ExecuteResponse, header: Uint8Array): Omit<Outcome, 'block' | 'expected'> {
  const { computed, broken_rule, abstention } = response
  if (broken_rule !== undefined) return { actual: 'INVALID', detail: `${broken_rule.rule}: ${broken_rule.detail}` }
  if (computed === undefined) return { actual: 'ABSTAIN', detail: `${abstention?.reason}: ${abstention?.detail}` }
  const differing = differences(computed, header)
  return { actual: differing.length === 0 ? 'VALID' : 'INVALID', detail: `differs: ${differing.join(', ')}` }
}

export function differences(computed: Computed, header: Uint8Array): string[] {
  const fields = decodeFields(header)
  const pairs: [string, unknown, unknown][] = [
    ['state_root', computed.state_root, fields.stateRoot],
    ['receipts_root', computed.receipts_root, fields.receiptsRoot],
    ['logs_bloom', computed.logs_bloom, fields.logsBloom],
    ['gas_used', computed.gas_used, fields.gasUsed.toString()],
    ['transactions_root', computed.transactions_root, fields.transactionsRoot],
    ['blob_gas_used', computed.blob_gas_used, fields.blobGasUsed?.toString()],
    ['withdrawals_root', computed.withdrawals_root, fields.withdrawalsRoot],
    ['requests_hash', computed.requests_hash, fields.requestsHash],
  ]
  const text = (value: unknown): unknown => (value instanceof Uint8Array ? hex(value) : value)
  return pairs.filter(([, left, right]) => text(left) !== text(right)).map(([name]) => name)
}

/** Forks in the words of fixtures, with what turns them on. */
const SCHEDULE: readonly (readonly [string, readonly string[]])[] = [
  ['Frontier', []],
  ['Homestead', ['homesteadBlock']],
  ['Dao', ['daoForkBlock']],
  ['EIP150', ['eip150Block']],
  ['EIP158', ['eip155Block', 'eip158Block']],
  ['Byzantium', ['byzantiumBlock']],
  ['Constantinople', ['constantinopleBlock']],
  ['ConstantinopleFix', ['petersburgBlock']],
  ['Istanbul', ['istanbulBlock']],
  ['MuirGlacier', ['muirGlacierBlock']],
  ['Berlin', ['berlinBlock']],
  ['London', ['londonBlock']],
  ['ArrowGlacier', ['arrowGlacierBlock']],
  ['GrayGlacier', ['grayGlacierBlock']],
  ['Paris', ['terminalTotalDifficulty']],
  ['Shanghai', ['shanghaiTime']],
  ['Cancun', ['cancunTime']],
  ['Prague', ['pragueTime']],
  ['Osaka', ['osakaTime']],
]

function configOf({ network, config }: FixtureTest): Record<string, unknown> {
  const transition = /^(\w+?)To(\w+?)At(Time|Diff)?([0-9A-F]+)(k?)$/u.exec(network)
  const [, before = network, after, unit, amount = '0', thousands] = transition ?? []
  const at = unit === 'Diff' ? Number.parseInt(amount, 16) : Number(amount) * (thousands === 'k' ? 1000 : 1)
  const place = (name: string): number => {
    const found = SCHEDULE.findIndex(([fork]) => fork === name)
    if (found < 0) throw new Error(`network ${network} is not known`)
    return found
  }
  const document: Record<string, unknown> = { chainId: Number(config?.chainid ?? 1) }
  for (const [index, [fork, keys]] of SCHEDULE.entries()) {
    const isOn = index <= place(before) || (after !== undefined && index <= place(after))
    // The DAO fork is no step on the way: fixtures of later forks were made without it.
    if (!isOn || (fork === 'Dao' && after !== 'Dao')) continue
    for (const key of keys) document[key] = index <= place(before) ? 0 : at
    if (fork === 'Dao') document['daoForkSupport'] = true
  }
  if (config?.blobSchedule !== undefined) {
    document['blobSchedule'] = Object.fromEntries(
      Object.entries(config.blobSchedule).map(([fork, entry]) => [
        fork.toLowerCase(),
        Object.fromEntries(Object.entries(entry).map(([name, value]) => [name, Number(value)])),
      ]),
    )
  }
  return document
}

function word(key: string): Uint8Array {
  return hexToBytes(`0x${key.replace(/^0x/u, '').padStart(64, '0')}`)
}
