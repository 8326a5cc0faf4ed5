// What EthereumJS 10.1.3 itself does otherwise than the protocol says. Each is in README.md under "Findings"; a test
// that fails here after an update means that a finding is gone.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { paramsBlock } from '@ethereumjs/block'
import { Common, Mainnet } from '@ethereumjs/common'
import { createEVM } from '@ethereumjs/evm'
import { MerklePatriciaTrie } from '@ethereumjs/mpt'
import { MerkleStateManager, SimpleStateManager } from '@ethereumjs/statemanager'
import { createBlob4844Tx } from '@ethereumjs/tx'
import { Account, Address, MapDB, ValueEncoding, hexToBytes } from '@ethereumjs/util'

import { customCrypto, keccak256 } from '../dist/cryptography.js'
import { execute } from '../dist/execution.js'
import { hex } from '../dist/hexadecimal.js'
import { CONTRACT, SENDER, SHANGHAI, makeBlock, makeState, requestOf } from './support/chain.js'

const PRAGUE = { ...SHANGHAI, cancunTime: 0, pragueTime: 0 }
const WITHDRAWAL_REQUESTS = '0x00000961ef480eb55e80d19ad83579a64c007002' // EIP-7002

void test('London does not delay the difficulty bomb, and the parameter of its EIP is not the final one', () => {
  const london = new Common({ chain: Mainnet, hardfork: 'london', params: paramsBlock })
  assert.equal(london.param('difficultyBombDelay'), 9_000_000n) // EIP-3554: 9,700,000
  assert.equal(paramsBlock[3554]?.['difficultyBombDelay'], 9_500_000)
})

void test('Osaka does not limit the size of a block (EIP-7934)', () => {
  assert.equal(new Common({ chain: Mainnet, hardfork: 'osaka' }).isActivatedEIP(7934), false)
})

void test('a blob may have a hash of any version from 0x1a to 0x1f (EIP-4844 has 0x01)', () => {
  const common = new Common({ chain: Mainnet, hardfork: 'cancun', customCrypto })
  const blob = (version: string): unknown =>
    createBlob4844Tx({ to: CONTRACT, blobVersionedHashes: [`0x${version}${'00'.repeat(31)}`] }, { common })
  assert.ok(blob('01'))
  assert.ok(blob('1f'))
  assert.throws(() => blob('02'), /KZG commitment version/u)
})

void test('a code that starts with 0xef00 is taken for EOF in every fork', async () => {
  const stateManager = new SimpleStateManager()
  await stateManager.putAccount(CONTRACT, new Account(1n))
  await stateManager.putCode(CONTRACT, hexToBytes('0xef0001'))
  const evm = await createEVM({ common: new Common({ chain: Mainnet, hardfork: 'shanghai' }), stateManager })
  const address = hex(CONTRACT.bytes)
  const run = async (opcode: string): Promise<string> => {
    const code = hexToBytes(`0x73${address}${opcode}5f5260205ff3`)
    return hex((await evm.runCode({ code, gasLimit: 100_000n })).returnValue)
  }
  assert.notEqual(await run('3f'), hex(keccak256(hexToBytes('0xef0001')))) // EXTCODEHASH
  assert.equal(BigInt(`0x${await run('3b')}`), 2n) // EXTCODESIZE
})

void test('a request contract that is not there, or that fails, is no broken rule (EIP-7002: the block is invalid)', async () => {
  for (const contracts of [{}, { [WITHDRAWAL_REQUESTS]: '0xfe' as const }]) {
    const { computed } = await execute(requestOf(await makeBlock({ code: '00', config: PRAGUE, contracts })))
    assert.ok(computed?.requests_hash)
  }
})

void test("the client's own state manager reads a missing node as an absent account, a missing code as an empty one", async () => {
  const { root, nodes } = await makeState(Buffer.from('6001', 'hex'))
  const database = (kept: readonly Uint8Array[]): MapDB<string, Uint8Array> =>
    new MapDB(new Map(kept.map((node) => [hex(keccak256(node)), node])))
  const manager = (kept: readonly Uint8Array[]): MerkleStateManager => {
    const options = { db: database(kept), root, useKeyHashing: true, valueEncoding: ValueEncoding.Bytes }
    return new MerkleStateManager({ trie: new MerklePatriciaTrie(options) })
  }
  const partial = nodes.filter((node) => hex(keccak256(node)) === hex(root))
  assert.equal(await manager(partial).getAccount(SENDER), undefined)
  assert.notEqual(await manager(nodes).getAccount(SENDER), undefined)
  assert.equal((await manager(nodes).getCode(new Address(CONTRACT.bytes))).length, 0)
})
