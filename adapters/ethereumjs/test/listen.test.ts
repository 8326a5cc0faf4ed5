import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'

import { credentials, status, type ServiceError } from '@grpc/grpc-js'

import { AdapterProcess, runAdapter } from './support/adapter-process.js'
import { Authority, skip, type Signed } from './support/certificates.js'
import { makeBlock, requestOf } from './support/chain.js'
import { temporaryFolder } from './support/temporary-folder.js'

const STORE = '60055f5500' // PUSH1 5 PUSH0 SSTORE STOP

function tlsArguments({ certificate, key }: Signed, clientCa: string): string[] {
  return ['--tls-certificate', certificate, '--tls-key', key, '--tls-client-ca', clientCa]
}

async function codeOf(call: Promise<unknown>): Promise<status | 'answered'> {
  return call.then(
    () => 'answered' as const,
    (error: unknown) => (error as ServiceError).code,
  )
}

void test('serves on loopback, does not read standard input, and ends with SIGTERM', async () => {
  const adapter = new AdapterProcess(['--listen', '127.0.0.1:0'])
  await adapter.logged('event=warm ')
  adapter.endInput()
  adapter.connect(credentials.createInsecure())
  assert.ok((await adapter.execute(requestOf(await makeBlock({ code: STORE })))).computed)
  adapter.signal('SIGTERM')
  assert.deepEqual(await adapter.end(), [0, null], adapter.errors)
  assert.equal(adapter.output, '')
})

void test('with TLS answers those who show a certificate of the CA, and nobody else', { skip }, async () => {
  const [authority, stranger] = [new Authority('ours'), new Authority('theirs')]
  const server = authority.sign('server')
  const adapter = new AdapterProcess(['--listen', '127.0.0.1:0', ...tlsArguments(server, authority.certificate)])
  await adapter.logged('event=listening ')
  const ca = readFileSync(authority.certificate)
  const by = ({ certificate, key }: Signed): ReturnType<typeof credentials.createSsl> =>
    credentials.createSsl(ca, readFileSync(key), readFileSync(certificate))
  for (const [channel, expected] of [
    [by(authority.sign('client')), 'answered'],
    [credentials.createInsecure(), status.UNAVAILABLE],
    [credentials.createSsl(ca), status.UNAVAILABLE],
    [by(stranger.sign('client')), status.UNAVAILABLE],
    [by(authority.sign('another')), 'answered'],
  ] as const) {
    adapter.connect(channel)
    assert.equal(await codeOf(adapter.describe()), expected)
  }
  const [, port] = /address=127\.0\.0\.1:(\d+)/u.exec(adapter.errors) ?? []
  const garbage = connect(Number(port), '127.0.0.1')
  garbage.on('error', () => undefined) // that the other side hung up
  garbage.write(Buffer.alloc(4096, 0x45))
  await once(garbage, 'close')
  adapter.connect(by(authority.sign('last')))
  assert.equal(await codeOf(adapter.describe()), 'answered')
  adapter.signal('SIGINT')
  assert.deepEqual(await adapter.end(), [0, null], adapter.errors)
})

void test('files that are not what they should be are told with status 2', { skip }, async () => {
  const authority = new Authority('ours')
  const [one, other] = [authority.sign('one'), authority.sign('other')]
  const nonsense = join(temporaryFolder('certificates'), 'nonsense.pem')
  writeFileSync(nonsense, 'no certificate')
  for (const [files, reason] of [
    [tlsArguments(one, '/nonexistent'), /ENOENT/u],
    [tlsArguments(one, nonsense), /no certificate/u],
    [tlsArguments({ ...one, certificate: nonsense }, authority.certificate), /no certificate/u],
    [tlsArguments({ ...one, key: nonsense }, authority.certificate), /no key/u],
    [tlsArguments({ ...one, key: other.key }, authority.certificate), /no key/u],
  ] as const) {
    const { status: exit, output, errors } = await runAdapter('--listen', '127.0.0.1:0', ...files)
    assert.deepEqual([exit, output], [2, ''])
    assert.match(errors, reason)
    assert.equal(errors.split('\n').length, 2, errors)
  }
})

void test('without TLS only loopback addresses are served', async () => {
  const { status: exit, output, errors } = await runAdapter('--listen', '0.0.0.0:0')
  assert.deepEqual([exit, output], [2, ''])
  assert.match(errors, /^--listen 0\.0\.0\.0:0: .*loopback.*\n$/u)
})
