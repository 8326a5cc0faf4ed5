// The command line.

import { BlockList, isIPv6 } from 'node:net'

import { WrongArguments } from './wrong-arguments.js'

export const USAGE =
  'usage: main.js --socket PATH | --describe | --bench FILE --runs N | --listen HOST:PORT ' +
  '[--tls-certificate FILE --tls-key FILE --tls-client-ca FILE]'

/** Files in PEM: what the server shows, and who has signed what its clients show. */
export interface TlsFiles {
  readonly certificate: string
  readonly key: string
  readonly clientCa: string
}

/** Where to serve: a unix-domain socket, or TCP. */
export type Place =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: TlsFiles | undefined }

export type Command =
  | { readonly name: 'serve'; readonly place: Place }
  | { readonly name: 'describe' }
  | { readonly name: 'bench'; readonly file: string; readonly runs: number }

const LARGEST_PORT = 65_535
const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Reads the arguments after the program's name. Throws WrongArguments. */
export function parseArguments(words: readonly string[]): Command {
  if (words.length === 1 && words[0] === '--describe') return { name: 'describe' }
  const values = valuesOf(words)
  const names = [...values.keys()].sort().join(' ')
  const value = (name: string): string => values.get(name) as string
  switch (names) {
    case '--socket':
      return { name: 'serve', place: { kind: 'socket', path: value('--socket') } }
    case '--bench --runs':
      if (!/^[1-9][0-9]{0,5}$/u.test(value('--runs'))) throw new WrongArguments(USAGE)
      return { name: 'bench', file: value('--bench'), runs: Number(value('--runs')) }
    case '--listen':
      return { name: 'serve', place: tcpPlace(value('--listen'), undefined) }
    case '--listen --tls-certificate --tls-client-ca --tls-key': {
      const [certificate, key, clientCa] = ['certificate', 'key', 'client-ca'].map((name) => value(`--tls-${name}`))
      return { name: 'serve', place: tcpPlace(value('--listen'), { certificate, key, clientCa } as TlsFiles) }
    }
    default:
      throw new WrongArguments(USAGE)
  }
}

/** Values by option, each option once. */
function valuesOf(words: readonly string[]): Map<string, string> {
  const values = new Map<string, string>()
  for (let at = 0; at < words.length; at += 2) {
    const [name, value] = words.slice(at, at + 2)
    if (name === undefined || !value || values.has(name)) throw new WrongArguments(USAGE)
    values.set(name, value)
  }
  return values
}

function tcpPlace(text: string, tls: TlsFiles | undefined): Place {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/u.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || port > LARGEST_PORT || (bracketed !== undefined && !isIPv6(bracketed))) {
    throw new WrongArguments(`--listen ${text}: HOST:PORT expected, an IPv6 address in brackets`)
  }
  if (tls === undefined && !isLoopback(host)) {
    throw new WrongArguments(`--listen ${text}: without TLS the host has to be a loopback address`)
  }
  return { kind: 'tcp', host, port, tls }
}

/** localhost: never any other (RFC 6761, section 6.3). */
function isLoopback(host: string): boolean {
  return host === 'localhost' || LOOPBACK.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}
