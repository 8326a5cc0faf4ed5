// The command line.

export const USAGE = 'usage: main.js --socket PATH | --describe | --bench FILE --runs N'

export type Command =
  | { readonly name: 'serve'; readonly socket: string }
  | { readonly name: 'describe' }
  | { readonly name: 'bench'; readonly file: string; readonly runs: number }

/** Reads the arguments after the program's name; undefined where they are wrong. */
export function parseArguments(words: readonly string[]): Command | undefined {
  const [first, second, third, fourth] = words
  if (first === '--describe' && words.length === 1) return { name: 'describe' }
  if (first === '--socket' && second && words.length === 2) return { name: 'serve', socket: second }
  if (words.length !== 4) return undefined
  if (first === '--bench' && third === '--runs') return bench(second, fourth)
  if (first === '--runs' && third === '--bench') return bench(fourth, second)
  return undefined
}

function bench(file: string | undefined, runs: string | undefined): Command | undefined {
  if (!file || !runs || !/^[1-9][0-9]{0,5}$/u.test(runs)) return undefined
  return { name: 'bench', file, runs: Number(runs) }
}
