// The adapter as its supervisor runs it: a process, its socket, and a gRPC client.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import {
  credentials,
  makeGenericClientConstructor,
  type ChannelCredentials,
  type Client,
  type ClientReadableStream,
  type ClientWritableStream,
  type ServiceError,
} from '@grpc/grpc-js'
import { service as healthService } from 'grpc-health-check'

import type { DescribeResponse, ExecuteRequest, ExecuteResponse, TraceEvent } from '../../dist/messages.js'
import { executorService } from '../../dist/protocol.js'
import { temporaryFolder } from './temporary-folder.js'

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const OPTIONS = { 'grpc.max_send_message_length': -1, 'grpc.max_receive_message_length': -1 }

type Call<Response> = (
  request: object,
  options: { deadline: number },
  callback: (error: ServiceError | null, response?: Response) => void,
) => { cancel: () => void }

/** Runs the adapter to its end. */
export async function runAdapter(...words: string[]): Promise<{ status: number; output: string; errors: string }> {
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [output, errors] = ['', '']
  child.stdout.on('data', (text: Buffer) => (output += text.toString()))
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()))
  const [status] = (await once(child, 'close')) as [number]
  return { status, output, errors }
}

export class AdapterProcess {
  readonly socket = join(temporaryFolder('ethereumjs'), 'adapter.sock')
  output = ''
  errors = ''
  private readonly child: ChildProcess
  private readonly ended: Promise<[number | null, string | null]>
  private executor: Client | undefined
  private health: Client | undefined

  /** words: of the command line, where it is not to serve on `socket`. */
  constructor(words?: readonly string[]) {
    const place = words ?? ['--socket', this.socket]
    this.child = spawn(process.execPath, [MAIN, ...place], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.child.stdout?.on('data', (text: Buffer) => (this.output += text.toString()))
    this.child.stderr?.on('data', (text: Buffer) => (this.errors += text.toString()))
    this.ended = once(this.child, 'exit') as Promise<[number | null, string | null]>
  }

  /** Waits until it says so itself. */
  async logged(event: string): Promise<void> {
    while (!this.errors.includes(event)) {
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.errors}`)
      await once(this.child.stderr as NonNullable<ChildProcess['stderr']>, 'data')
    }
  }

  describe(): Promise<DescribeResponse> {
    return this.call<DescribeResponse>(this.executorClient, 'Describe', {}, 10_000)
  }

  execute(request: ExecuteRequest, timeout = 60_000): Promise<ExecuteResponse> {
    return this.call<ExecuteResponse>(this.executorClient, 'Execute', request, timeout)
  }

  /** A trace of all transactions, to be read as events come. */
  trace(execution: ExecuteRequest, timeout = 60_000): ClientReadableStream<TraceEvent> {
    const client = this.executorClient as unknown as Record<
      'Trace',
      (request: object, options: object) => ClientReadableStream<TraceEvent>
    >
    return client.Trace({ execution, first: 0, count: 0 }, { deadline: Date.now() + timeout })
  }

  /** Uploads what the parts hold, in as many messages; `cancelled` before the end where it is said. */
  upload(parts: readonly object[], isCancelled = false): Promise<object> {
    const client = this.executorClient as unknown as Record<
      'Upload',
      (
        options: object,
        callback: (error: ServiceError | null, response?: object) => void,
      ) => ClientWritableStream<object>
    >
    return new Promise((resolve, reject) => {
      const call = client.Upload({ deadline: Date.now() + 60_000 }, (error, response) => {
        if (error === null) resolve(response ?? {})
        else reject(error)
      })
      for (const part of parts) call.write(part)
      if (isCancelled) call.cancel()
      else call.end()
    })
  }

  /** The answer to the health service's Check. */
  async check(service: string): Promise<string> {
    this.health ??= new (makeGenericClientConstructor(healthService, 'Health'))(...this.address())
    return (await this.call<{ status: string }>(this.health, 'Check', { service }, 10_000)).status
  }

  endInput(): void {
    this.child.stdin?.end()
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  /** How it ended: status, signal. */
  async end(): Promise<[number | null, string | null]> {
    this.executor?.close()
    this.health?.close()
    return this.ended
  }

  /** Speaks to the adapter at the address that it has logged; to what serves on a socket by default. */
  connect(channel: ChannelCredentials): void {
    const [, address] = /event=listening address=(\S+)/u.exec(this.errors) ?? []
    this.executor?.close()
    this.executor = new (makeGenericClientConstructor(executorService(), 'Executor'))(
      address as string,
      channel,
      OPTIONS,
    )
  }

  private get executorClient(): Client {
    return (this.executor ??= new (makeGenericClientConstructor(executorService(), 'Executor'))(...this.address()))
  }

  private address(): [string, ReturnType<typeof credentials.createInsecure>, object] {
    return [`unix:${this.socket}`, credentials.createInsecure(), OPTIONS]
  }

  private call<Response>(client: Client, name: string, request: object, timeout: number): Promise<Response> {
    const method = (client as unknown as Record<string, Call<Response>>)[name] as Call<Response>
    return new Promise((resolve, reject) => {
      method.call(client, request, { deadline: Date.now() + timeout }, (error, response) => {
        if (error === null) resolve(response as Response)
        else reject(error)
      })
    })
  }
}
