import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseArguments } from '../dist/arguments.js'

void test('reads each command', () => {
  assert.deepEqual(parseArguments(['--describe']), { name: 'describe' })
  assert.deepEqual(parseArguments(['--socket', '/s']), { name: 'serve', socket: '/s' })
  assert.deepEqual(parseArguments(['--bench', 'f', '--runs', '3']), { name: 'bench', file: 'f', runs: 3 })
  assert.deepEqual(parseArguments(['--runs', '3', '--bench', 'f']), { name: 'bench', file: 'f', runs: 3 })
})

for (const words of [
  [],
  ['--socket'],
  ['--socket', ''],
  ['--describe', 'x'],
  ['--bench', 'f'],
  ['--bench', 'f', '--runs', '0'],
]) {
  void test(`refuses ${JSON.stringify(words)}`, () => {
    assert.equal(parseArguments(words), undefined)
  })
}
