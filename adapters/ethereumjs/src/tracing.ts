// The steps of a block's transactions, told while they are executed.
//
// The client's own `step` event does not do. It comes after the handlers of dynamic gas, which add a call's stipend to the
// gas that is left, and it throws for a REVERT with too few words, before anybody hears of the step. So each opcode gets a
// handler of dynamic gas of ours: that is the first thing the interpreter asks for, whatever comes of the instruction.

import type { Common } from '@ethereumjs/common'
import type { TypedTransaction } from '@ethereumjs/tx'
import type { Address } from '@ethereumjs/util'
import type { RunTxResult, VM } from '@ethereumjs/vm'

import type { Step, TraceEvent } from './messages.js'

const WORD = 32 // bytes
/** Steps an event: few events, and each soon there. */
const MAX_STEPS = 256
/** Bytes of stacks an event: a step may have a stack of 32 KiB, and a reader 4 MiB a message. */
const MAX_STACK_BYTES = 512 * 2 ** 10
const TWO_TO_64 = 2n ** 64n

/** The transactions whose steps are wanted. */
export interface Range {
  readonly first: number
  /** How many; 0 is all from `first` on. */
  readonly count: number
}

/** What the client's interpreter hands to the handlers of an opcode, as far as it is needed here. */
interface RunState {
  readonly programCounter: number
  readonly code: Uint8Array
  readonly gasLeft: bigint
  readonly memoryWordCount: bigint
  readonly stack: { readonly _store: readonly bigint[]; readonly _len: number }
  readonly env: { readonly depth: number; readonly address: Address }
}

type GasHandler = (state: RunState, gas: bigint, rules: Common) => Promise<bigint> | bigint

interface Opcode {
  readonly opcodeInfo: { readonly dynamicGas: boolean; readonly isInvalid: boolean }
  readonly gasHandler?: GasHandler
}

export class Tracing {
  private steps: Step[] = []
  private stackBytes = 0
  private index = -1
  private count = 0
  private isWanted = false

  /** emit: takes the events as they come; what it throws ends the run. */
  constructor(
    private readonly range: Range,
    private readonly emit: (event: TraceEvent) => void,
  ) {}

  /** Follows what `vm` executes from now on. */
  follow(vm: VM): void {
    vm.events.on('beforeTx', (transaction) => {
      this.start(transaction)
    })
    vm.events.on('afterTx', (result) => {
      this.end(result)
    })
    const evm = vm.evm as unknown as { _opcodeMap: Opcode[] }
    evm._opcodeMap = evm._opcodeMap.map((opcode) => this.traced(opcode))
  }

  /** Sends what is left of a transaction that did not come to its end. */
  finish(): void {
    this.isWanted = false
    this.flush()
  }

  private start(transaction: TypedTransaction): void {
    this.index += 1
    this.count = 0
    const { first, count } = this.range
    this.isWanted = this.index >= first && (count === 0 || this.index < first + count)
    if (this.isWanted) this.emit({ transaction_start: { index: this.index, hash: transaction.hash() } })
  }

  private end({ execResult, totalGasSpent }: RunTxResult): void {
    if (!this.isWanted) return
    this.finish()
    this.emit({
      transaction_end: {
        index: this.index,
        succeeded: execResult.exceptionError === undefined,
        gas_used: totalGasSpent.toString(),
        steps: this.count.toString(),
      },
    })
  }

  private traced(opcode: Opcode): Opcode {
    const { opcodeInfo, gasHandler } = opcode
    const traced: GasHandler = opcodeInfo.dynamicGas
      ? async (state, gas, rules) => {
          const step = this.note(state)
          try {
            const cost = await (gasHandler as GasHandler)(state, gas, rules)
            if (step !== undefined) step.gas_cost = number(cost)
            return cost
          } catch (error) {
            if (step !== undefined) step.error = wording(error)
            throw error
          }
        }
      : (state, gas) => {
          const step = this.note(state)
          if (step !== undefined) {
            step.gas_cost = number(gas)
            if (opcodeInfo.isInvalid) step.error = 'invalid opcode'
          }
          return gas
        }
    return { ...opcode, opcodeInfo: { ...opcodeInfo, dynamicGas: true }, gasHandler: traced }
  }

  private note({ programCounter, code, gasLeft, memoryWordCount, stack, env }: RunState): Step | undefined {
    if (!this.isWanted) return undefined
    // What came before is complete only now: a step's cost and error are known after it was noted.
    if (this.steps.length >= MAX_STEPS || this.stackBytes >= MAX_STACK_BYTES) this.flush()
    const step: Step = {
      depth: env.depth + 1,
      account: env.address.bytes,
      pc: programCounter,
      op: code[programCounter] as number,
      gas: number(gasLeft),
      stack: wordsOf(stack._store, stack._len),
      gas_cost: 0,
      memory_size: Number(memoryWordCount) * WORD,
    }
    this.steps.push(step)
    this.stackBytes += step.stack.length
    this.count += 1
    return step
  }

  private flush(): void {
    if (this.steps.length === 0) return
    const { steps } = this
    this.steps = []
    this.stackBytes = 0
    this.emit({ steps: { steps } })
  }
}

/** A 64-bit number in a form that is encoded quickly, where it has one without loss. */
function number(value: bigint): number | string {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value.toString()
}

function wording(error: unknown): string {
  const { error: reason } = error as { error?: unknown }
  return typeof reason === 'string' ? reason : error instanceof Error ? error.message : String(error)
}

/** The words as 32 bytes each. Most of them are small, and BigInt's own ways to bytes are slow. */
function wordsOf(store: readonly bigint[], length: number): Uint8Array {
  const bytes = new Uint8Array(length * WORD)
  const view = new DataView(bytes.buffer)
  for (let index = 0; index < length; index++) {
    let rest = store[index] as bigint
    for (let at = (index + 1) * WORD - 8; rest !== 0n; at -= 8) {
      view.setBigUint64(at, rest) // its low 64 bits
      if (rest < TWO_TO_64) break
      rest >>= 64n
    }
  }
  return bytes
}
