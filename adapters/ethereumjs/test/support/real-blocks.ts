// Real blocks with their witnesses from beside the checkout, as requests.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { hexToBytes, type PrefixedHexString as Hex } from '@ethereumjs/util'

import { decodePosition } from '../../dist/block-header.js'
import type { ExecuteRequest } from '../../dist/messages.js'
import { readJson } from './fixture.js'
import { encodeWitnessFile, type Content } from './witness-encoding.js'

const FOLDER = fileURLToPath(new URL('../../../../../shared/data/mainnet', import.meta.url))

/** Why tests on real blocks are skipped; false where the blocks are there. */
export const skip = existsSync(FOLDER) ? false : 'needs ../shared/data'

const CONFIGS: Readonly<Record<number, object>> = {
  1: {
    chainId: 1,
    homesteadBlock: 1150000,
    daoForkBlock: 1920000,
    daoForkSupport: true,
    eip150Block: 2463000,
    eip155Block: 2675000,
    eip158Block: 2675000,
    byzantiumBlock: 4370000,
    constantinopleBlock: 7280000,
    petersburgBlock: 7280000,
    istanbulBlock: 9069000,
    muirGlacierBlock: 9200000,
    berlinBlock: 12244000,
    londonBlock: 12965000,
    arrowGlacierBlock: 13773000,
    grayGlacierBlock: 15050000,
    terminalTotalDifficulty: '58750000000000000000000',
    shanghaiTime: 1681338455,
    cancunTime: 1710338135,
    pragueTime: 1746612311,
    depositContractAddress: '0x00000000219ab540356cbb839cbe05303d7705fa',
    blobSchedule: {
      cancun: { target: 3, max: 6, baseFeeUpdateFraction: 3338477 },
      prague: { target: 6, max: 9, baseFeeUpdateFraction: 5007716 },
    },
  },
  17000: {
    chainId: 17000,
    homesteadBlock: 0,
    eip150Block: 0,
    eip155Block: 0,
    eip158Block: 0,
    byzantiumBlock: 0,
    constantinopleBlock: 0,
    petersburgBlock: 0,
    istanbulBlock: 0,
    berlinBlock: 0,
    londonBlock: 0,
    terminalTotalDifficulty: 0,
    shanghaiTime: 1696000704,
    cancunTime: 1707305664,
    pragueTime: 1740434112,
    depositContractAddress: '0x4242424242424242424242424242424242424242',
    blobSchedule: { cancun: { target: 3, max: 6, baseFeeUpdateFraction: 3338477 } },
  },
}

interface Document {
  readonly chainId: number
  readonly number: number
  readonly block: Hex
  readonly blockHash: Hex
  readonly parentStateRoot: Hex
  readonly parentHeaderPresent: boolean
  readonly witness: {
    readonly headers: Hex[]
    readonly state: Hex[]
    readonly codes: Hex[]
    blockHashes?: Hex[] | null
  }
}

export interface RealBlock {
  readonly name: string
  readonly content: Content
  readonly request: ExecuteRequest
}

/** The names of all blocks: `<chain>_<number>_<origin>`. */
export function realBlockNames(): string[] {
  if (skip !== false) return []
  const names = readdirSync(FOLDER).map((file) => /^(\d+_\d+_\w+)\.json\.gz$/u.exec(file)?.[1])
  return names.filter((name) => name !== undefined).sort()
}

export function realBlock(name: string): RealBlock {
  const document = readJson(join(FOLDER, `${name}.json.gz`)) as Document
  const bytes = (list: readonly Hex[]): Uint8Array[] => list.map((each) => hexToBytes(each))
  const content: Content = {
    chainId: BigInt(document.chainId),
    number: BigInt(document.number),
    blockHash: hexToBytes(document.blockHash),
    block: hexToBytes(document.block),
    chainConfig: Buffer.from(JSON.stringify(CONFIGS[document.chainId])),
    nodes: bytes(document.witness.state),
    codes: bytes(document.witness.codes),
    headers: bytes(document.witness.headers).sort((left, right) => numberOf(left) - numberOf(right)),
  }
  const request: ExecuteRequest = {
    content: encodeWitnessFile(content),
    block_hash: content.blockHash,
    pre_state_root: hexToBytes(document.parentStateRoot),
    mode: 'MODE_PROOF',
    chain_config: new Uint8Array(),
    parent_header_optional: !document.parentHeaderPresent,
    ancestor_hashes: (document.witness.blockHashes ?? []).map((hash, index) => ({
      number: (document.number - 1 - index).toString(),
      hash: hexToBytes(hash),
    })),
  }
  return { name, content, request }
}

function numberOf(header: Uint8Array): number {
  return Number(decodePosition(header).number)
}
