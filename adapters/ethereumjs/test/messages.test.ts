import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { ABSTENTION_REASONS, RULES } from '../dist/messages.js'
import { describe } from '../dist/description.js'
import { FORKS } from '../dist/chain-config.js'

const PROTOCOL = readFileSync(
  fileURLToPath(new URL('../../../proto/verifier/rpc/v1/executor.proto', import.meta.url)),
  'utf8',
)
const CONTRACT = readFileSync(fileURLToPath(new URL('../../CONTRACT.md', import.meta.url)), 'utf8')
const MANIFEST = readFileSync(fileURLToPath(new URL('../adapter.toml', import.meta.url)), 'utf8')

function namesIn(enumeration: string): string[] {
  const body = new RegExp(`enum ${enumeration} \\{([^}]*)\\}`, 'u').exec(PROTOCOL)?.[1] ?? ''
  return [...body.matchAll(/^\s*([A-Z_]+) = \d+;/gmu)].map(([, name]) => name as string)
}

void test('rules and reasons are those of the protocol', () => {
  assert.deepEqual(['RULE_UNSPECIFIED', ...RULES].sort(), namesIn('Rule').sort())
  assert.deepEqual(['ABSTENTION_REASON_UNSPECIFIED', ...ABSTENTION_REASONS].sort(), namesIn('AbstentionReason').sort())
})

void test('Describe answers every field of its message', () => {
  const body = /message DescribeResponse \{([^}]*)\}/u.exec(PROTOCOL)?.[1] ?? ''
  const fields = [...body.matchAll(/([a-z_]+) = \d+;/gu)].map(([, name]) => name)
  assert.deepEqual(Object.keys(describe()).sort(), fields.sort())
  assert.equal(describe().client_version, '10.1.3')
})

void test('the forks are those of the manifest, in the words of the contract', () => {
  const listed = [...(/forks = \[([^\]]*)\]/u.exec(MANIFEST)?.[1] ?? '').matchAll(/"([a-z0-9_]+)"/gu)].map(
    ([, name]) => name,
  )
  assert.deepEqual([...FORKS], listed)
  const known = /Fork names: `([^`]*)`/u.exec(CONTRACT)?.[1]?.split(/\s+/u)
  assert.deepEqual([...FORKS, 'amsterdam'], known)
})
