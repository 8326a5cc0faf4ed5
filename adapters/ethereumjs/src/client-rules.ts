// The client's `Common`, the rules of one block, made from a chain config.
//
// `createCommonFromGethGenesis` puts Paris at block 0 wherever a later fork has a timestamp, and so before every fork of
// proof of work; it takes the blob schedules of BPO forks for nothing; and it wants a whole genesis. So the client is
// given the forks that hold for the block, in order, and it is the client that finds the block's fork among them.

import { Common, type ChainConfig as ClientConfig, type ParamsDict, type HardforksDict } from '@ethereumjs/common'
import { paramsBlock } from '@ethereumjs/block'
import { paramsEVM } from '@ethereumjs/evm'
import { paramsTx } from '@ethereumjs/tx'
import { paramsVM } from '@ethereumjs/vm'

import type { Position } from './block-header.js'
import { isFrom, type Activation, type BlobSchedule, type ChainConfig, type Fork } from './chain-config.js'
import { customCrypto } from './cryptography.js'

const GAS_PER_BLOB = 131_072 // EIP-4844

/** The client's names of forks, where they are not the contract's in camel case. */
const CLIENT_NAMES: Partial<Record<Fork, string>> = { frontier: 'chainstart' }

/** The parameters of the client's packages; each merges its own into every `Common` that it meets. */
const PARAMETERS = [paramsEVM, paramsTx, paramsBlock, paramsVM]

/**
 * London with its delay of the difficulty bomb (EIP-3554). The client's list of London lacks that EIP, and its parameter
 * is another: each block of mainnet between London and Arrow Glacier would look invalid. README.md, "Findings".
 */
const LONDON = { eips: [1559, 3198, 3529, 3541], params: { difficultyBombDelay: 9_700_000 } }

/**
 * With all parameters merged once, and EIPs looked up in a set: the client merges its parameters again for every header
 * and transaction, and searches its list of EIPs several times an opcode.
 */
class BlockRules extends Common {
  private isSettled = false
  private active: { list: number[]; set: ReadonlySet<number> } = { list: [], set: new Set() }

  settle(): this {
    for (const parameters of PARAMETERS) this.updateParams(parameters)
    this.isSettled = true
    return this
  }

  override updateParams(parameters: ParamsDict): void {
    if (!this.isSettled || !PARAMETERS.includes(parameters)) super.updateParams(parameters)
  }

  override isActivatedEIP(eip: number): boolean {
    const list = this._activatedEIPsCache // a new one with every change of the fork
    if (this.active.list !== list) this.active = { list, set: new Set(list) }
    return this.active.set.has(eip)
  }
}

const MAX_REMEMBERED = 16
const remembered = new Map<string, BlockRules>()

/** Rules for a block at `position`. parentHasDifficulty: whether its parent is of proof of work. */
export function clientRules(config: ChainConfig, position: Position, parentHasDifficulty: boolean): Common {
  const forks = config.activeForks(position)
  // Paris's own block is the first without difficulty; where the parent has none either, the parent is past it too.
  const paris = parentHasDifficulty ? position.number : position.number > 0n ? position.number - 1n : 0n
  const isMerged = forks.some(({ fork }) => fork === 'paris')
  const key = JSON.stringify([config.text, forks.map(({ fork }) => fork), isMerged ? paris.toString() : ''])
  let rules = remembered.get(key)
  if (rules === undefined) {
    rules = makeRules(config, forks, paris)
    if (remembered.size >= MAX_REMEMBERED) remembered.clear()
    remembered.set(key, rules)
  }
  const own = rules.copy()
  own.setHardfork(clientName(forks.at(-1)?.fork ?? 'frontier'))
  return own
}

/** The client's name of a fork. */
export function clientName(fork: Fork): string {
  return CLIENT_NAMES[fork] ?? fork.replace(/_(.)/gu, (_, letter: string) => letter.toUpperCase())
}

function makeRules(config: ChainConfig, forks: readonly Activation[], paris: bigint): BlockRules {
  const hardforks = [
    { name: clientName('frontier'), block: 0 },
    ...forks.map(({ fork, block, timestamp }) =>
      timestamp === undefined
        ? // A fork that is left out and has no later number is as old as Paris.
          { name: clientName(fork), block: Number(fork === 'paris' || (block as bigint) > paris ? paris : block) }
        : { name: clientName(fork), block: null, timestamp: Number(timestamp) },
    ),
  ]
  const chain: ClientConfig = {
    name: 'chain',
    chainId: config.chainId.toString(),
    defaultHardfork: clientName('frontier'),
    genesis: { gasLimit: 0, difficulty: 0, nonce: '0x0000000000000000', extraData: '0x' },
    hardforks,
    customHardforks: customForks(config, forks),
    bootstrapNodes: [],
    consensus: { type: 'pow', algorithm: 'ethash', ethash: {} },
    depositContractAddress: config.depositContract as `0x${string}`,
  }
  return new BlockRules({ chain, params: forkParameters(config, forks), customCrypto }).settle()
}

/** What differs from the client's own forks. */
function customForks(config: ChainConfig, forks: readonly Activation[]): HardforksDict {
  const custom: HardforksDict = {}
  for (const { fork } of forks) {
    if (fork === 'london') custom[clientName(fork)] = LONDON
    const schedule = fork.startsWith('bpo') ? config.scheduleOf(fork) : undefined
    if (schedule !== undefined) custom[clientName(fork)] = { eips: [], params: blobParameters(schedule) }
  }
  return custom
}

/** The config's blob schedules: parameters under a fork's name come after those of its EIPs. */
function forkParameters(config: ChainConfig, forks: readonly Activation[]): ParamsDict {
  const parameters: ParamsDict = {}
  for (const { fork } of forks) {
    const schedule = isFrom(fork, 'cancun') ? config.scheduleOf(fork) : undefined
    if (schedule !== undefined) parameters[clientName(fork)] = blobParameters(schedule)
  }
  return parameters
}

/** Under both pairs of names: the client reads one before BPO1, and the other from then on. */
function blobParameters({ target, max, updateFraction }: BlobSchedule): Record<string, number> {
  return {
    target,
    max,
    targetBlobGasPerBlock: target * GAS_PER_BLOB,
    maxBlobGasPerBlock: max * GAS_PER_BLOB,
    blobGasPriceUpdateFraction: updateFraction,
  }
}
