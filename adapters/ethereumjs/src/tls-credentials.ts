// Mutual TLS out of PEM files: checked when the server starts, so that a wrong file is told then.

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'

import { ServerCredentials } from '@grpc/grpc-js'

import type { TlsFiles } from './arguments.js'
import { WrongArguments } from './wrong-arguments.js'

/** Credentials of a server whose clients have to show a certificate of that CA. Throws WrongArguments. */
export function tlsCredentials({ certificate, key, clientCa }: TlsFiles): ServerCredentials {
  const chain = read(certificate)
  const ca = read(clientCa)
  for (const [path, content] of [[certificate, chain] as const, [clientCa, ca] as const]) {
    try {
      new X509Certificate(content)
    } catch {
      throw new WrongArguments(`${path}: no certificate in PEM`)
    }
  }
  const privateKey = read(key)
  try {
    createSecureContext({ cert: chain, key: privateKey, ca })
  } catch (error) {
    throw new WrongArguments(`${key}: no key in PEM, or not of ${certificate}: ${reasonOf(error)}`)
  }
  return ServerCredentials.createSsl(ca, [{ private_key: privateKey, cert_chain: chain }], true)
}

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new WrongArguments(reasonOf(error))
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
