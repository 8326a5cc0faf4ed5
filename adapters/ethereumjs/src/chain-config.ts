// The chain configuration (geth-genesis `config` JSON) and the fork of a block, without the client.

import { Refusal } from './answer.js'
import type { Position } from './block-header.js'

/** Forks by block number: name in adapters/CONTRACT.md, key in a geth config, in activation order. */
const NUMBERED_FORKS = [
  ['homestead', 'homesteadBlock'],
  ['dao', 'daoForkBlock'],
  ['tangerine_whistle', 'eip150Block'],
  ['spurious_dragon', 'eip158Block'],
  ['byzantium', 'byzantiumBlock'],
  ['constantinople', 'constantinopleBlock'],
  ['petersburg', 'petersburgBlock'],
  ['istanbul', 'istanbulBlock'],
  ['muir_glacier', 'muirGlacierBlock'],
  ['berlin', 'berlinBlock'],
  ['london', 'londonBlock'],
  ['arrow_glacier', 'arrowGlacierBlock'],
  ['gray_glacier', 'grayGlacierBlock'],
] as const

/** Forks by timestamp. */
const TIMED_FORKS = [
  ['shanghai', 'shanghaiTime'],
  ['cancun', 'cancunTime'],
  ['prague', 'pragueTime'],
  ['osaka', 'osakaTime'],
  ['bpo1', 'bpo1Time'],
  ['bpo2', 'bpo2Time'],
  ['bpo3', 'bpo3Time'],
  ['bpo4', 'bpo4Time'],
  ['bpo5', 'bpo5Time'],
] as const

/** Those of the numbered forks that a chain need not have: one special to mainnet, and delays of the difficulty bomb. */
const OPTIONAL_FORKS: ReadonlySet<string> = new Set(['dao', 'muir_glacier', 'arrow_glacier', 'gray_glacier'])

/** Keys that look like forks' and are none of their own. */
const KNOWN_KEYS: ReadonlySet<string> = new Set(['eip155Block', 'mergeNetsplitBlock'])

/** The blob schedules that the protocol fixes (EIP-4844, EIP-7691), for configs that do not give them. */
const PRESET_SCHEDULES: Readonly<Record<string, BlobSchedule>> = {
  cancun: { target: 3, max: 6, updateFraction: 3_338_477 },
  prague: { target: 6, max: 9, updateFraction: 5_007_716 },
}

/** The deposit contracts of the public networks (EIP-6110), for configs from before geth had the key. */
const DEPOSIT_CONTRACTS: Readonly<Record<string, string>> = {
  '1': '0x00000000219ab540356cbb839cbe05303d7705fa',
  '17000': '0x4242424242424242424242424242424242424242',
  '11155111': '0x7f02c3e3c98b133055b8b348b2ac625669ed295d',
  '560048': '0x00000000219ab540356cbb839cbe05303d7705fa',
}
const NO_DEPOSIT_CONTRACT = `0x${'00'.repeat(20)}`

export type Fork = 'frontier' | (typeof NUMBERED_FORKS)[number][0] | 'paris' | (typeof TIMED_FORKS)[number][0]

/** The forks that this adapter executes, in activation order, in the words of adapters/CONTRACT.md. */
export const FORKS: readonly Fork[] = [
  'frontier',
  ...NUMBERED_FORKS.map(([name]) => name),
  'paris',
  ...TIMED_FORKS.map(([name]) => name),
]

/** Whether `fork` is `first` or a later one. */
export function isFrom(fork: Fork, first: Fork): boolean {
  return FORKS.indexOf(fork) >= FORKS.indexOf(first)
}

/** Blobs a block (EIP-7840). updateFraction: the denominator of the blob base fee's exponent. */
export interface BlobSchedule {
  readonly target: number
  readonly max: number
  readonly updateFraction: number
}

/** When a fork becomes active: its first block, or the first second. */
export interface Activation {
  readonly fork: Fork
  readonly block?: bigint
  readonly timestamp?: bigint
}

export class ChainConfig {
  readonly chainId: bigint
  readonly depositContract: string
  private readonly forks: readonly Activation[]
  private readonly schedules: Readonly<Record<string, BlobSchedule>>

  private constructor(
    private readonly document: Readonly<Record<string, unknown>>,
    /** The JSON text: the same text means the same rules. */
    readonly text: string,
  ) {
    const chainId = this.number('chainId')
    if (chainId === undefined) throw new Refusal('chain config: no chainId')
    this.chainId = chainId
    this.forks = this.readForks()
    this.schedules = this.readSchedules()
    const deposit = document['depositContractAddress'] ?? DEPOSIT_CONTRACTS[chainId.toString()] ?? NO_DEPOSIT_CONTRACT
    if (typeof deposit !== 'string' || !/^0x[0-9a-fA-F]{40}$/u.test(deposit)) {
      throw new Refusal('chain config: depositContractAddress is no address')
    }
    this.depositContract = deposit.toLowerCase()
  }

  /** Reads the JSON. Throws a refusal of one line where it is no chain config. */
  static parse(json: Uint8Array): ChainConfig {
    let text: string
    let document: unknown
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(json)
      document = JSON.parse(text)
    } catch (error) {
      throw new Refusal(`chain config: not JSON: ${error instanceof Error ? error.message : String(error)}`)
    }
    if (typeof document !== 'object' || document === null || Array.isArray(document)) {
      throw new Refusal('chain config: not a JSON object')
    }
    return new ChainConfig(document as Record<string, unknown>, text)
  }

  /** The fork of a block. Throws for one that this adapter does not execute. */
  forkAt(position: Position): Fork {
    const unknown = this.unknownForkAt(position)
    if (unknown !== undefined) throw new UnsupportedFork(unknown)
    const fork = this.activeForks(position).at(-1)?.fork ?? 'frontier'
    if (this.document['clique'] !== undefined && position.difficulty !== 0n && !isFrom(fork, 'paris')) {
      throw new UnsupportedFork('clique (proof of authority)')
    }
    return fork
  }

  /**
   * The forks that hold for a block, in activation order, without Paris's first block, which no config tells.
   *
   * A fork that a config leaves out although it has a later one is active with that later one. Paris came with total
   * difficulty (EIP-3675), not with a number: a chain that has a terminal total difficulty is past it where a block's
   * difficulty is 0, and throughout where that difficulty is 0.
   */
  activeForks(position: Position): Activation[] {
    const active = this.forks.filter(({ fork, block, timestamp }) =>
      fork === 'paris'
        ? this.isMergedFromGenesis || (this.hasMerge && position.difficulty === 0n && position.number > 0n)
        : timestamp === undefined
          ? (block as bigint) <= position.number
          : timestamp <= position.timestamp,
    )
    const latest = active.at(-1)
    if (latest === undefined) return []
    const isActive = new Set(active.map(({ fork }) => fork))
    return this.forks.filter(({ fork }) => isActive.has(fork) || (isFrom(latest.fork, fork) && this.isLeftOut(fork)))
  }

  /** Whether a block at `timestamp` (seconds) must be from after The Merge by the config alone. */
  isMergedAt(timestamp: bigint): boolean {
    const shanghai = this.number('shanghaiTime')
    return this.isMergedFromGenesis || (shanghai !== undefined && shanghai <= timestamp)
  }

  /** Whether the chain has a terminal total difficulty. */
  get hasMerge(): boolean {
    return this.has('terminalTotalDifficulty')
  }

  private get isMergedFromGenesis(): boolean {
    const total = this.document['terminalTotalDifficulty']
    return total === 0 || total === '0' || total === '0x0'
  }

  /** The DAO fork's block, and whether this chain is the one that made it (EIP-779). */
  get dao(): { block: bigint; supported: boolean } | undefined {
    const block = this.number('daoForkBlock')
    return block === undefined ? undefined : { block, supported: this.document['daoForkSupport'] === true }
  }

  /** The blob schedule that a fork brings; undefined where it brings none of its own. */
  scheduleOf(fork: Fork): BlobSchedule | undefined {
    return this.schedules[fork]
  }

  private isLeftOut(fork: Fork): boolean {
    const key = [...NUMBERED_FORKS, ...TIMED_FORKS].find(([name]) => name === fork)?.[1]
    return !OPTIONAL_FORKS.has(fork) && !fork.startsWith('bpo') && (key === undefined || !this.has(key))
  }

  /** Every fork with its activation, in order; those left out take the next later one's. */
  private readForks(): Activation[] {
    const forks: Activation[] = []
    let timestamp: bigint | undefined
    for (const [fork, key] of TIMED_FORKS.toReversed()) {
      const own = this.number(key)
      if (own === undefined && fork.startsWith('bpo')) continue
      if (own !== undefined && timestamp !== undefined && own > timestamp) throw this.disorder(key)
      timestamp = own ?? timestamp
      if (timestamp !== undefined) forks.push({ fork, timestamp })
    }
    forks.push({ fork: 'paris' })
    let block: bigint | undefined
    for (const [fork, key] of NUMBERED_FORKS.toReversed()) {
      const own = fork === 'dao' && this.document['daoForkSupport'] !== true ? undefined : this.number(key)
      if (own === undefined && OPTIONAL_FORKS.has(fork)) continue
      if (own !== undefined && block !== undefined && own > block) throw this.disorder(key)
      block = own ?? block
      // Not given, and nothing numbered after it: active from the start of what comes after The Merge.
      forks.push({ fork, block: block ?? BEYOND })
    }
    const eip155 = this.number('eip155Block')
    if (eip155 !== undefined && eip155 !== this.number('eip158Block')) {
      throw new Refusal('chain config: eip155Block and eip158Block differ, and EthereumJS knows them as one fork')
    }
    return forks.toReversed()
  }

  private disorder(key: string): Refusal {
    return new Refusal(`chain config: ${key} comes after a later fork`)
  }

  private readSchedules(): Record<string, BlobSchedule> {
    const given = this.document['blobSchedule'] ?? {}
    if (typeof given !== 'object' || Array.isArray(given)) throw new Refusal('chain config: blobSchedule is no object')
    const schedules: Record<string, BlobSchedule> = { ...PRESET_SCHEDULES }
    for (const [fork, entry] of Object.entries(given as Record<string, unknown>)) {
      if (entry === null) continue
      const values = (typeof entry === 'object' ? entry : {}) as Record<string, unknown>
      const [target, max, updateFraction] = ['target', 'max', 'baseFeeUpdateFraction'].map((name) =>
        toNumber(values[name], `blobSchedule.${fork}.${name}`),
      )
      if (target === undefined || !max || !updateFraction || target > max) {
        throw new Refusal(`chain config: blobSchedule.${fork} is no schedule`)
      }
      schedules[fork] = { target: Number(target), max: Number(max), updateFraction: Number(updateFraction) }
    }
    for (const { fork } of this.forks) {
      if (fork.startsWith('bpo') && schedules[fork] === undefined) {
        throw new Refusal(`chain config: no blobSchedule entry for ${fork}`)
      }
    }
    return schedules
  }

  /** The key of an activated fork that is none of ours: to execute by older rules would be wrong without a sign of it. */
  private unknownForkAt({ number, timestamp }: Position): string | undefined {
    const known = new Set<string>([...KNOWN_KEYS, ...[...NUMBERED_FORKS, ...TIMED_FORKS].map(([, key]) => key)])
    return Object.keys(this.document).find((key) => {
      if (known.has(key) || !/(Time|Block)$/u.test(key)) return false
      const first = this.number(key)
      return first !== undefined && first <= (key.endsWith('Time') ? timestamp : number)
    })
  }

  private has(key: string): boolean {
    return this.document[key] !== undefined && this.document[key] !== null
  }

  private number(key: string): bigint | undefined {
    return toNumber(this.document[key], key)
  }
}

/** Later than every block. */
const BEYOND = 2n ** 64n

/** A fork that this adapter does not execute. */
export class UnsupportedFork extends Error {}

function toNumber(value: unknown, name: string): bigint | undefined {
  if (value === undefined || value === null) return undefined
  const isNumber = typeof value === 'number' ? Number.isSafeInteger(value) && value >= 0 : false
  const isText = typeof value === 'string' && /^(0x[0-9a-fA-F]+|[0-9]+)$/u.test(value)
  if (!isNumber && !isText) throw new Refusal(`chain config: ${name} is no number: ${JSON.stringify(value)}`)
  return BigInt(value as number | string)
}
