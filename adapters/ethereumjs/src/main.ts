// The EthereumJS adapter's process; see adapters/CONTRACT.md, "Obligations as a process".

import { existsSync, readFileSync } from 'node:fs'

import { parseArguments } from './arguments.js'
import { log } from './log.js'
import { WrongArguments } from './wrong-arguments.js'

const FAILURE = 1
const WRONG_ARGUMENTS = 2
const PACKAGE_MISSING = 3

/** Loads only what the command needs: `--describe` loads neither the client nor gRPC. */
async function main(words: readonly string[]): Promise<void> {
  const command = parseArguments(words)
  const missing = missingPackage()
  if (missing !== undefined) {
    log('package-missing', { name: missing })
    process.exitCode = PACKAGE_MISSING
  } else if (command.name === 'describe') {
    const { describeLine } = await import('./description.js')
    process.stdout.write(`${describeLine()}\n`)
  } else if (command.name === 'bench') {
    const { measure } = await import('./benchmark.js')
    process.stdout.write(`${await measure(command.file, command.runs)}\n`)
  } else {
    const { serve } = await import('./server.js')
    await serve(command.place)
  }
}

/** The first package that is needed and not installed. */
function missingPackage(): string | undefined {
  const file = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const { dependencies } = JSON.parse(file) as { dependencies: Record<string, string> }
  const isThere = (name: string): boolean =>
    existsSync(new URL(`../node_modules/${name}/package.json`, import.meta.url))
  return Object.keys(dependencies).find((name) => !isThere(name))
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (error instanceof WrongArguments) {
    process.stderr.write(`${error.message}\n`)
    process.exit(WRONG_ARGUMENTS)
  }
  log('failed', { reason: error instanceof Error ? error.message : String(error) })
  process.exit(FAILURE)
}
