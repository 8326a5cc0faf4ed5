import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MerklePatriciaTrie } from '@ethereumjs/mpt'
import { RLP } from '@ethereumjs/rlp'
import {
  Account,
  Address,
  KECCAK256_RLP,
  MapDB,
  SYSTEM_ADDRESS,
  ValueEncoding,
  createAddressFromString,
} from '@ethereumjs/util'
import fc from 'fast-check'

import { ChainConfig } from '../dist/chain-config.js'
import { clientRules } from '../dist/client-rules.js'
import { keccak256 } from '../dist/cryptography.js'
import { hex } from '../dist/hexadecimal.js'
import { Misses, MissingFromWitness } from '../dist/misses.js'
import { WitnessDatabase } from '../dist/witness-database.js'
import { WitnessState } from '../dist/state.js'
import { CONTRACT, SENDER, SHANGHAI, makeState, word } from './support/chain.js'

const CODE = Buffer.from('6001', 'hex')
const OTHER = new Address(new Uint8Array(20).fill(0xbb))
const SYSTEM = createAddressFromString(SYSTEM_ADDRESS)
const rules = clientRules(
  ChainConfig.parse(Buffer.from(JSON.stringify(SHANGHAI))),
  { number: 1n, timestamp: 1n, difficulty: 0n },
  false,
)

/** Of the node or code that was missed first. */
function missedHash({ first }: Misses): string | undefined {
  return first !== undefined && 'hash' in first ? hex(first.hash) : undefined
}

function stateOf(
  root: Uint8Array,
  nodes: readonly Uint8Array[],
  codes: readonly Uint8Array[] = [CODE],
): [WitnessState, Misses] {
  const misses = new Misses()
  return [new WitnessState(root, new WitnessDatabase(nodes, codes, misses), misses, rules), misses]
}

/** The root of a trie with these values, made by the client in one go. */
async function rootOf(values: ReadonlyMap<bigint, bigint>): Promise<Uint8Array> {
  const trie = new MerklePatriciaTrie({ useKeyHashing: true, db: new MapDB(), valueEncoding: ValueEncoding.Bytes })
  for (const [key, value] of values) if (value !== 0n) await trie.put(word(key), RLP.encode(value))
  return trie.root()
}

async function storageRootAfterFlush(state: WitnessState): Promise<string> {
  await state.flush()
  return hex((await state.getAccount(CONTRACT))?.storageRoot ?? new Uint8Array())
}

void test('what is there is read, what is proven absent is absent', async () => {
  const { root, nodes } = await makeState(CODE, new Map([[1n, 5n]]))
  const [state, misses] = stateOf(root, nodes)
  assert.ok(((await state.getAccount(SENDER))?.balance ?? 0n) > 0n)
  assert.equal(await state.getAccount(OTHER), undefined)
  assert.deepEqual([...(await state.getStorage(CONTRACT, word(1n)))], [5])
  assert.deepEqual([...(await state.getStorage(CONTRACT, word(2n)))], [])
  assert.deepEqual(Buffer.from(await state.getCode(CONTRACT)), CODE)
  assert.equal(misses.first, undefined)
})

void test('each missing node and code throws, and is named', async () => {
  const { root, nodes } = await makeState(CODE, new Map([[1n, 5n]]))
  let needed = 0
  for (const missing of nodes) {
    const [state, misses] = stateOf(
      root,
      nodes.filter((node) => node !== missing),
    )
    try {
      await state.getAccount(SENDER)
      await state.getStorage(CONTRACT, word(1n))
    } catch (error) {
      assert.ok(error instanceof MissingFromWitness)
      assert.equal(missedHash(misses), hex(keccak256(missing)))
      needed += 1
    }
  }
  assert.equal(needed, 4) // a branch, two accounts, a slot; other nodes are of tries on the way
  const [state, misses] = stateOf(root, nodes, [])
  await assert.rejects(state.getCode(CONTRACT), MissingFromWitness)
  assert.deepEqual([misses.first?.kind, missedHash(misses)], ['code', hex(keccak256(CODE))])
})

void test('a missing code is none where only its hash is asked for', async () => {
  const { root, nodes } = await makeState(CODE)
  const [state, misses] = stateOf(root, nodes, [])
  state.codeMayBeMissing = true
  assert.equal((await state.getCode(CONTRACT)).length, 0)
  state.codeMayBeMissing = false
  assert.equal(misses.first, undefined)
  await assert.rejects(state.getCode(CONTRACT), MissingFromWitness)
})

void test('a leaf that does not end with the key is no proof of absence', async () => {
  const path = Buffer.concat([Buffer.from([0x20]), keccak256(OTHER.bytes).subarray(1)]) // 62 nibbles
  const leaf = RLP.encode([path, new Account().serialize()])
  const [state, misses] = stateOf(keccak256(leaf), [leaf])
  await assert.rejects(state.getAccount(SENDER), MissingFromWitness)
  assert.equal(missedHash(misses), hex(keccak256(leaf)))
})

for (const [what, value] of Object.entries({
  'no list': Buffer.from('no account'),
  'three fields': RLP.encode(['0x01', '0x01', KECCAK256_RLP]),
  'a leading zero': RLP.encode(['0x0001', '0x01', KECCAK256_RLP, KECCAK256_RLP]),
  'a short root': RLP.encode(['0x01', '0x01', '0x01', KECCAK256_RLP]),
})) {
  void test(`an account of ${what} is as good as missing`, async () => {
    const leaf = RLP.encode([Buffer.concat([Buffer.from([0x20]), keccak256(SENDER.bytes)]), value])
    const [state] = stateOf(keccak256(leaf), [leaf])
    await assert.rejects(state.getAccount(SENDER), MissingFromWitness)
  })
}

void test('any sequence of writes leads to the root of its result', async () => {
  const slots = fc.array(fc.tuple(fc.bigInt(0n, 12n), fc.bigInt(0n, 300n)), { maxLength: 25 })
  await fc.assert(
    fc.asyncProperty(slots, slots, fc.nat(25), async (before, writes, flushAfter) => {
      const storage = new Map(before.filter(([, value]) => value !== 0n))
      const { root, nodes } = await makeState(CODE, storage)
      const [state] = stateOf(root, nodes)
      await state.checkpoint()
      for (const [index, [key, value]] of writes.entries()) {
        await state.getStorage(CONTRACT, word(key))
        await state.putStorage(CONTRACT, word(key), word(value))
        storage.set(key, value)
        if (index === flushAfter) await state.getStateRoot() // as for each receipt before Byzantium
      }
      assert.equal(await storageRootAfterFlush(state), hex(await rootOf(storage)))
    }),
    { numRuns: 60 },
  )
})

void test('what a reverted checkpoint wrote is gone, also what it cleared', async () => {
  const steps = fc.array(fc.tuple(fc.bigInt(0n, 6n), fc.bigInt(0n, 9n)), { maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(steps, steps, fc.boolean(), async (kept, reverted, clears) => {
      const { root, nodes } = await makeState(
        CODE,
        new Map([
          [1n, 5n],
          [2n, 6n],
        ]),
      )
      const [state] = stateOf(root, nodes)
      const storage = new Map([
        [1n, 5n],
        [2n, 6n],
      ])
      await state.checkpoint()
      for (const [key, value] of kept) {
        await state.putStorage(CONTRACT, word(key), word(value))
        storage.set(key, value)
      }
      await state.checkpoint()
      if (clears) await state.clearStorage(CONTRACT)
      for (const [key, value] of reverted) await state.putStorage(CONTRACT, word(key), word(value))
      await state.revert()
      assert.equal(await storageRootAfterFlush(state), hex(await rootOf(storage)))
    }),
    { numRuns: 60 },
  )
})

void test('a slot deleted beside one that is put needs no sibling', async () => {
  // Two slots make a branch of two leaves; deleting one alone would pull the other up.
  const { root, nodes } = await makeState(
    CODE,
    new Map([
      [1n, 5n],
      [2n, 6n],
    ]),
  )
  const sibling = nodes.filter((node) => RLP.decode(node).length === 2 && hex(node).endsWith(hex(RLP.encode(6n))))
  const partial = nodes.filter((node) => !sibling.includes(node))
  const [alone, misses] = stateOf(root, partial)
  await alone.putStorage(CONTRACT, word(1n), word(0n))
  await assert.rejects(alone.flush(), MissingFromWitness)
  assert.equal(misses.first?.kind, 'node')

  const [state] = stateOf(root, partial)
  const added = [...Array(40).keys()].map((key) => BigInt(key + 3)).find((key) => isElsewhere(key)) as bigint
  await state.putStorage(CONTRACT, word(1n), word(0n))
  await state.putStorage(CONTRACT, word(added), word(9n))
  assert.equal(
    await storageRootAfterFlush(state),
    hex(
      await rootOf(
        new Map([
          [2n, 6n],
          [added, 9n],
        ]),
      ),
    ),
  )
})

/** Whether a slot's hash starts with another nibble than those of slots 1 and 2. */
function isElsewhere(key: bigint): boolean {
  const first = (slot: bigint): string => hex(keccak256(word(slot))).slice(0, 1)
  return first(key) !== first(1n) && first(key) !== first(2n)
}

void test('an account destroyed and made again starts without slots', async () => {
  const { root, nodes } = await makeState(
    CODE,
    new Map([
      [1n, 5n],
      [2n, 6n],
    ]),
  )
  const [state] = stateOf(root, nodes)
  await state.getStorage(CONTRACT, word(1n))
  await state.putStorage(CONTRACT, word(2n), word(7n))
  await state.deleteAccount(CONTRACT)
  await state.putAccount(CONTRACT, new Account(0n, 3n))
  assert.deepEqual([...(await state.getStorage(CONTRACT, word(1n)))], [])
  await state.putStorage(CONTRACT, word(1n), word(5n)) // the value that it had before
  assert.equal(await storageRootAfterFlush(state), hex(await rootOf(new Map([[1n, 5n]]))))
})

void test('the system address may be missing from the last transaction on, and then nothing is written to it', async () => {
  const { root, nodes } = await makeState(CODE)
  const partial = nodes.filter((node) => hex(keccak256(node)) === hex(root)) // the branch alone
  const [strict] = stateOf(root, partial)
  const isProvenAbsent = await strict.getAccount(SYSTEM).then(
    () => true,
    () => false,
  )
  const onlyRoot = isProvenAbsent ? [] : partial
  const [before] = stateOf(root, onlyRoot)
  await assert.rejects(before.getAccount(SYSTEM), MissingFromWitness)
  const [state, misses] = stateOf(root, onlyRoot)
  state.systemAddressMayBeMissing = true
  assert.equal(await state.getAccount(SYSTEM), undefined)
  await state.putAccount(SYSTEM, new Account(1n, 1n))
  await state.deleteAccount(SYSTEM)
  assert.equal(await state.getAccount(SYSTEM), undefined)
  assert.deepEqual(await state.getStateRoot(), root)
  assert.equal(misses.first, undefined)
  await assert.rejects(state.getAccount(SENDER), MissingFromWitness)
})
