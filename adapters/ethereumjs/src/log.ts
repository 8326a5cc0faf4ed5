// Log lines: standard error, one line an event, `event=name key=value …`.

/** What stands without quotes: no blanks, quotes or signs that a reader would have to take apart. */
const PLAIN = /^[\w.:[\]/+-]+$/u

export function log(event: string, values: Readonly<Record<string, unknown>> = {}): void {
  const pairs = Object.entries({ event, ...values }).map(([key, value]) => {
    return `${key}=${typeof value === 'string' ? quoted(value) : String(value)}`
  })
  process.stderr.write(`${pairs.join(' ')}\n`)
}

function quoted(text: string): string {
  return PLAIN.test(text) ? text : JSON.stringify(text)
}
