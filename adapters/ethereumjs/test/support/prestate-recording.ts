// Prestate sections: encoded, and recorded from what a run in proof mode reads.

import { RLP } from '@ethereumjs/rlp'
import { bigIntToUnpaddedBytes, type Account, type Address } from '@ethereumjs/util'

import { execute } from '../../dist/execution.js'
import { hex } from '../../dist/hexadecimal.js'
import type { ExecuteRequest, ExecuteResponse } from '../../dist/messages.js'
import type { PreAccount } from '../../dist/prestate.js'
import { WitnessState } from '../../dist/state.js'

/** As `Prestate`, but open: slots and accounts can be taken out. */
export type Recording = Map<string, (Omit<PreAccount, 'slots'> & { slots: Map<string, Uint8Array> }) | undefined>

export function encodePrestate(recording: Recording): Uint8Array {
  const sorted = <Value>(map: ReadonlyMap<string, Value>): [string, Value][] =>
    [...map].sort(([left], [right]) => (left < right ? -1 : 1))
  return RLP.encode(
    sorted(recording).map(([address, account]) => {
      const name = Buffer.from(address, 'hex')
      if (account === undefined) return [name]
      const { nonce, balance, storageRoot, codeHash, slots } = account
      const pairs = sorted(slots).map(([key, value]) => [Buffer.from(key, 'hex'), value])
      return [name, bigIntToUnpaddedBytes(nonce), bigIntToUnpaddedBytes(balance), storageRoot, codeHash, pairs]
    }),
  )
}

interface Reading {
  readAccount(address: Address): Promise<Account | undefined> | Account | undefined
  readSlot(address: Address, account: Account, key: Uint8Array): Promise<Uint8Array | undefined>
  putStorage(address: Address, key: Uint8Array, value: Uint8Array): Promise<void>
}

/** Executes the request in proof mode, and records what was read before it was written. */
export async function recordPrestate(
  request: ExecuteRequest,
): Promise<{ recording: Recording; response: ExecuteResponse }> {
  const recording: Recording = new Map()
  const prototype = WitnessState.prototype as unknown as Reading
  // eslint-disable-next-line @typescript-eslint/unbound-method -- each is called on the state that it is of
  const { readAccount, readSlot, putStorage } = prototype
  prototype.readAccount = async function (address) {
    const account = await readAccount.call(this, address)
    const name = hex(address.bytes)
    // The first read is of what was before the block: what is written later stands in the caches.
    if (!recording.has(name)) recording.set(name, account && { ...fieldsOf(account), slots: new Map() })
    return account
  }
  prototype.readSlot = async function (address, account, key) {
    const encoded = await readSlot.call(this, address, account, key)
    const slots = recording.get(hex(address.bytes))?.slots
    if (slots?.has(hex(key)) === false) {
      slots.set(hex(key), encoded === undefined ? new Uint8Array() : (RLP.decode(encoded) as Uint8Array))
    }
    return encoded
  }
  // The client writes the slots of EIP-2935 and EIP-4788 without reading them; other clients run the contracts' code.
  prototype.putStorage = async function (address, key, value) {
    await (this as unknown as WitnessState).getStorage(address, key)
    await putStorage.call(this, address, key, value)
  }
  try {
    return { response: await execute(request), recording }
  } finally {
    Object.assign(prototype, { readAccount, readSlot, putStorage })
  }
}

function fieldsOf({ nonce, balance, storageRoot, codeHash }: Account): Omit<PreAccount, 'slots'> {
  return { nonce, balance, storageRoot, codeHash }
}
