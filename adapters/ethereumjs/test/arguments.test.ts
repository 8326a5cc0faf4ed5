import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseArguments } from '../dist/arguments.js'
import { WrongArguments } from '../dist/wrong-arguments.js'

const TLS = ['--tls-certificate', 'c', '--tls-key', 'k', '--tls-client-ca', 'a']

void test('reads each command', () => {
  assert.deepEqual(parseArguments(['--describe']), { name: 'describe' })
  assert.deepEqual(parseArguments(['--socket', '/s']), { name: 'serve', place: { kind: 'socket', path: '/s' } })
  assert.deepEqual(parseArguments(['--bench', 'f', '--runs', '3']), { name: 'bench', file: 'f', runs: 3 })
  assert.deepEqual(parseArguments(['--runs', '3', '--bench', 'f']), { name: 'bench', file: 'f', runs: 3 })
})

for (const [text, host, port] of [
  ['127.0.0.1:0', '127.0.0.1', 0],
  ['127.8.9.10:65535', '127.8.9.10', 65_535],
  ['[::1]:50051', '::1', 50_051],
  ['[0:0:0:0:0:0:0:1]:1', '0:0:0:0:0:0:0:1', 1],
  ['localhost:1', 'localhost', 1],
] as const) {
  void test(`listens on ${text} without TLS`, () => {
    assert.deepEqual(parseArguments(['--listen', text]), {
      name: 'serve',
      place: { kind: 'tcp', host, port, tls: undefined },
    })
  })
}

void test('listens anywhere with TLS', () => {
  for (const host of ['0.0.0.0', 'adapter.example', '127.0.0.1']) {
    assert.deepEqual(parseArguments([...TLS, '--listen', `${host}:7`]), {
      name: 'serve',
      place: { kind: 'tcp', host, port: 7, tls: { certificate: 'c', key: 'k', clientCa: 'a' } },
    })
  }
})

for (const words of [
  [],
  ['--socket'],
  ['--socket', ''],
  ['--socket', 'a', '--socket', 'b'],
  ['--socket', 'a', '--listen', '127.0.0.1:0'],
  ['--socket', 'a', ...TLS],
  ['--describe', 'x'],
  ['--bench', 'f'],
  ['--bench', 'f', '--runs', '0'],
  ['--listen', '0.0.0.0:1'],
  ['--listen', '[::]:1'],
  ['--listen', 'adapter.example:1'],
  ['--listen', '127.0.0.1'],
  ['--listen', '127.0.0.1:65536'],
  ['--listen', '127.0.0.1:'],
  ['--listen', '::1:50051'],
  ['--listen', '[127.0.0.1]:1'],
  ['--listen', '127.0.0.1:1', '--tls-key', 'k'],
  ['--listen', '127.0.0.1:1', ...TLS.slice(2)],
]) {
  void test(`refuses ${JSON.stringify(words)}`, () => {
    assert.throws(() => parseArguments(words), WrongArguments)
  })
}
