// A request opened and bound: the checks that adapters/CONTRACT.md asks of every adapter before its client runs.
//
// They are about the witness (hashes, the header chain, the trusted root, the chain config, the fork), never about the
// block's own rules.

import { Abstention, BrokenRule, Refusal } from './answer.js'
import { Ancestry } from './ancestry.js'
import { decodeFields, decodePosition, headerOf, type BlockFields, type Position } from './block-header.js'
import { ChainConfig, UnsupportedFork, type Fork } from './chain-config.js'
import { keccak256 } from './cryptography.js'
import { prefixed, sameBytes } from './hexadecimal.js'
import type { ExecuteRequest } from './messages.js'
import type { Misses } from './misses.js'
import { parsePrestate, type Prestate } from './prestate.js'
import { MalformedRlp } from './rlp.js'
import { DamagedFile, parseWitnessFile, readWitnessFile, type WitnessFile } from './witness-file.js'

/** One block to execute, its witness bound to the block's hash and to the trusted pre-state root. */
export interface Task {
  readonly file: WitnessFile
  readonly header: Uint8Array
  readonly position: Position
  readonly config: ChainConfig
  readonly fork: Fork
  readonly ancestry: Ancestry
  /** Undefined where the request allows the parent's header to be absent and it is. */
  readonly parent: BlockFields | undefined
  readonly preStateRoot: Uint8Array
  /** In MODE_PRESTATE: what the state is read from. */
  readonly prestate: Prestate | undefined
}

export function bind(request: ExecuteRequest, misses: Misses): Task {
  const file = open(request)
  const header = refusing('block', () => headerOf(file.block))
  checkHash(header, file, request.block_hash)
  const config = ChainConfig.parse(request.chain_config.length > 0 ? request.chain_config : file.chainConfig)
  if (config.chainId !== file.chainId) {
    // Signatures are bound to the chain: the wrong config would make every transaction look invalid.
    throw new Refusal(`chain config of chain ${config.chainId}, the file is of chain ${file.chainId}`)
  }
  const position = positionOf(header)
  if (position.number !== file.number) {
    throw new Refusal(`the block has number ${position.number}, the file names ${file.number}`)
  }
  const fork = forkOf(config, position)
  // On a parent that the witness shows, the number breaks a rule as any other wrong one does.
  if (position.number === 0n && file.headers.length === 0) throw new Refusal('a genesis block is not executed')
  const ancestry = Ancestry.of(
    position.number,
    parentHashOf(header),
    file.headers,
    request.parent_header_optional,
    new Map(request.ancestor_hashes.map(({ number, hash }) => [BigInt(number), hash])),
    misses,
  )
  const encoded = ancestry.parent
  const parent = encoded && refusing("the parent's header", () => decodeFields(encoded))
  if (parent !== undefined && !sameBytes(parent.stateRoot, request.pre_state_root)) {
    const [given, trusted] = [parent.stateRoot, request.pre_state_root].map(prefixed)
    throw new Refusal(`pre-state root ${given} of the parent's header is not the trusted ${trusted}`)
  }
  const prestate = request.mode === 'MODE_PRESTATE' ? prestateOf(file) : undefined
  return { file, header, position, config, fork, ancestry, parent, preStateRoot: request.pre_state_root, prestate }
}

function prestateOf({ prestate }: WitnessFile): Prestate {
  if (prestate === undefined) throw new Refusal('the file has no prestate section')
  return refusing('prestate section', () => parsePrestate(prestate))
}

function open({ path, content }: ExecuteRequest): WitnessFile {
  try {
    if (content !== undefined) return parseWitnessFile(content)
    return readWitnessFile(path ?? '')
  } catch (error) {
    if (error instanceof DamagedFile) throw new Refusal(error.message)
    throw error
  }
}

function checkHash(header: Uint8Array, file: WitnessFile, asked: Uint8Array): void {
  const hash = keccak256(header)
  for (const [who, named] of [['file', file.blockHash] as const, ['request', asked] as const]) {
    if (!sameBytes(hash, named)) {
      throw new Refusal(`the block has hash ${prefixed(hash)}, the ${who} names ${prefixed(named)}`)
    }
  }
}

/** The hash is right from here on, so what cannot be decoded is the block, and no client could. */
function positionOf(header: Uint8Array): Position {
  try {
    return decodePosition(header)
  } catch (error) {
    if (error instanceof MalformedRlp) throw new BrokenRule('RULE_BLOCK_ENCODING', `header: ${error.message}`)
    throw error
  }
}

function parentHashOf(header: Uint8Array): Uint8Array {
  try {
    return decodeFields(header).parentHash
  } catch (error) {
    if (error instanceof MalformedRlp) throw new BrokenRule('RULE_BLOCK_ENCODING', `header: ${error.message}`)
    throw error
  }
}

function forkOf(config: ChainConfig, position: Position): Fork {
  try {
    return config.forkAt(position)
  } catch (error) {
    if (!(error instanceof UnsupportedFork)) throw error
    throw new Abstention('ABSTENTION_REASON_UNSUPPORTED_FORK', `EthereumJS does not execute ${error.message} blocks`)
  }
}

function refusing<Value>(what: string, read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    if (error instanceof MalformedRlp) throw new Refusal(`${what}: ${error.message}`)
    throw error
  }
}
