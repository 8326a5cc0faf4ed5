// `--bench`: the client by its own shortest way, without this adapter's checks and without gRPC.
//
// EthereumJS has no way of its own from a witness to a root: its state manager needs a complete database. So it is our
// state and its `runBlock`, and nothing else. Nothing is remembered from one run to the next but compiled code and the
// chain's rules: senders are kept in the transactions' objects, which each run makes anew.

import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

import { createBlockFromRLP } from '@ethereumjs/block'

import { Ancestry } from './ancestry.js'
import { decodeFields, headerOf } from './block-header.js'
import { run } from './block-run.js'
import { ChainConfig } from './chain-config.js'
import { clientRules } from './client-rules.js'
import { Misses, describeMissing } from './misses.js'
import { LIMITS } from './pool.js'
import { WitnessState } from './state.js'
import { warmUp } from './warm-up.js'
import { WitnessDatabase } from './witness-database.js'
import { readWitnessFile } from './witness-file.js'

const WARM_UP_RUNS = 2

interface Assignment {
  readonly path: string
  readonly runs: number
}

/** Executes the witness file `runs` times, on a thread like those that serve; the result is the line to print. */
export function measure(path: string, runs: number): Promise<string> {
  const assignment: Assignment = { path, runs }
  const worker = new Worker(new URL(import.meta.url), { workerData: assignment, resourceLimits: LIMITS })
  return new Promise((resolve, reject) => {
    worker.on('message', (milliseconds: number[]) => {
      resolve(JSON.stringify({ runs_ms: milliseconds }))
    })
    worker.on('error', reject)
  })
}

async function measureHere({ path, runs }: Assignment): Promise<number[]> {
  await warmUp()
  const milliseconds: number[] = []
  for (let number = 0; number < WARM_UP_RUNS + runs; number++) {
    const started = performance.now()
    await stateRoot(path)
    if (number >= WARM_UP_RUNS) milliseconds.push(performance.now() - started)
  }
  return milliseconds
}

/** What the block leads to, from the state of its parent. */
export async function stateRoot(path: string): Promise<Uint8Array> {
  const file = readWitnessFile(path)
  const config = ChainConfig.parse(file.chainConfig)
  const position = decodeFields(headerOf(file.block))
  const last = file.headers.at(-1)
  if (last === undefined) throw new Error("the witness lacks the parent's header")
  const parent = decodeFields(last)
  const misses = new Misses()
  const ancestry = Ancestry.of(position.number, position.parentHash, file.headers, false, new Map(), misses)
  const rules = clientRules(config, position, parent.difficulty > 0n)
  const block = createBlockFromRLP(file.block, { common: rules, setHardfork: true })
  const state = new WitnessState(parent.stateRoot, new WitnessDatabase(file.nodes, file.codes, misses), misses, rules)
  const { stateRoot } = await run(block, config.forkAt(position), rules, state, ancestry, misses)
  if (misses.first !== undefined) throw new Error(describeMissing(misses.first))
  return stateRoot
}

if (!isMainThread) parentPort?.postMessage(await measureHere(workerData as Assignment))
