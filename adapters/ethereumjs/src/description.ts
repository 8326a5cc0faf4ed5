// What this adapter is and can do: the answer to Describe, told without loading the client.

import { readFileSync } from 'node:fs'

import { FORKS } from './chain-config.js'
import type { DescribeResponse } from './messages.js'

/** Requests executed at once: each takes a core and some hundred MiB. */
export const MAX_CONCURRENT_REQUESTS = 2

export function describe(): DescribeResponse {
  return {
    client_name: 'EthereumJS',
    client_version: versionOf('../node_modules/@ethereumjs/vm/package.json'),
    adapter_version: versionOf('../package.json'),
    lineage: 'ethereumjs',
    forks: [...FORKS],
    modes: ['MODE_PROOF', 'MODE_PRESTATE'],
    unchecked_rules: ['RULE_PROOF_OF_WORK'],
    max_concurrent_requests: MAX_CONCURRENT_REQUESTS,
    contract_version: 1,
    traces: true,
    uploads: true,
  }
}

/** The same as protobuf-JSON, one line. */
export function describeLine(): string {
  const camelCase = (name: string): string => name.replace(/_(.)/gu, (_, letter: string) => letter.toUpperCase())
  return JSON.stringify(Object.fromEntries(Object.entries(describe()).map(([name, value]) => [camelCase(name), value])))
}

function versionOf(packageFile: string): string {
  const { version } = JSON.parse(readFileSync(new URL(packageFile, import.meta.url), 'utf8')) as { version: string }
  return version
}
