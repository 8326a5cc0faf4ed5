// Log lines: standard error, one line an event, `name key=value …`.

export function log(event: string, values: Readonly<Record<string, unknown>> = {}): void {
  const pairs = Object.entries(values).map(([key, value]) => {
    return ` ${key}=${typeof value === 'string' ? JSON.stringify(value) : String(value)}`
  })
  process.stderr.write(`${event}${pairs.join('')}\n`)
}
