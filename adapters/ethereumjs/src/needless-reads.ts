// Reads that the client makes and the protocol does not ask for.
//
// Other clients do not make them, so that witnesses recorded by those lack what is read. Each is met here where it does
// not decide anything; README.md, "Traps", lists them.

import type { Common } from '@ethereumjs/common'
import { EVMError } from '@ethereumjs/evm'
import type { VM } from '@ethereumjs/vm'

import type { BlockState } from './block-state.js'

const SSTORE = 0x55
const EXTCODEHASH = 0x3f
/** Instructions whose cost depends on an account that only has to be read where the rest of the cost is paid. */
const ACCOUNT_COSTS = [0xf1, 0xf2, 0xf4, 0xfa, 0xff] // CALL, CALLCODE, DELEGATECALL, STATICCALL, SELFDESTRUCT
const SSTORE_WORDS = 2

interface RunState {
  readonly gasLeft: bigint
  readonly stack: { readonly length: number }
  readonly interpreter: { isStatic(): boolean }
}

type GasHandler = (state: RunState, gas: bigint, rules: Common) => Promise<bigint>

interface Opcode {
  readonly opcodeInfo: { readonly name: string; readonly dynamicGas: boolean }
  opHandler: (...parameters: unknown[]) => Promise<void> | void
  gasHandler: GasHandler
}

/** Changes the opcodes of this `vm` alone. */
export function avoidNeedlessReads({ evm, common }: VM, state: BlockState): void {
  const { _opcodeMap: opcodes } = evm as unknown as { _opcodeMap: Opcode[] }
  hashCodesUnread(opcodes, state)
  if (common.gteHardfork('istanbul')) heedSentry(opcodes[SSTORE] as Opcode, common)
  for (const code of ACCOUNT_COSTS) deferAccount(opcodes[code] as Opcode, state)
}

/** Lets EXTCODEHASH do without the code, which the client's own handler reads before it answers with the account's hash. */
function hashCodesUnread(opcodes: readonly Opcode[], state: BlockState): void {
  const opcode = opcodes[EXTCODEHASH]
  if (opcode?.opcodeInfo.name !== 'EXTCODEHASH') return // before Constantinople
  const handler = opcode.opHandler
  opcode.opHandler = async (...parameters) => {
    state.codeMayBeMissing = true
    try {
      await handler(...parameters)
    } finally {
      state.codeMayBeMissing = false
    }
  }
}

/** EIP-2200: too little gas for the stipend fails before the slot is read. The client reads it, and fails then. */
function heedSentry(opcode: Opcode, rules: Common): void {
  const handler = opcode.gasHandler
  const sentry = rules.param('sstoreSentryEIP2200Gas')
  opcode.gasHandler = (state, gas, common) => {
    const isRefused = state.interpreter.isStatic() || state.stack.length < SSTORE_WORDS // by the client, before it reads
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- the client's own errors are no Error
    if (state.gasLeft <= sentry && !isRefused) throw new EVMError(EVMError.errorMessages.OUT_OF_GAS)
    return handler(state, gas, common)
  }
}

/**
 * A call, or SELFDESTRUCT, that cannot pay for what does not depend on the account fails before other clients read it.
 * Where it is missing the client is told of one that costs nothing more: what then is out of gas is so in any case.
 */
function deferAccount(opcode: Opcode, state: BlockState): void {
  const handler = opcode.gasHandler
  if (!opcode.opcodeInfo.dynamicGas) return // SELFDESTRUCT before Tangerine Whistle, or none of this fork's
  opcode.gasHandler = async (running, gas, rules) => {
    let isOut = false
    state.startDeferring()
    try {
      const cost = await handler(running, gas, rules)
      isOut = cost > running.gasLeft
      return cost
    } catch (error) {
      isOut = isOutOfGas(error)
      throw error
    } finally {
      state.endDeferring(!isOut)
    }
  }
}

function isOutOfGas(error: unknown): boolean {
  return error instanceof EVMError && error.error === EVMError.errorMessages.OUT_OF_GAS
}
