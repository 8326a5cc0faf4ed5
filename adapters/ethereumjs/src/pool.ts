// The workers: threads that can be thrown away, so that no request can harm the server.
//
// Execution is work without a pause, in JavaScript: only by ending its thread can it be stopped. A worker is replaced when
// its request was given up, when it ran out of memory, or when the client lost an error on it.

import { Worker, type ResourceLimits } from 'node:worker_threads'

import { answerOf, crashed } from './answer.js'
import type { Assignment, Job, Report } from './jobs.js'
import { log } from './log.js'

/** MiB a worker. New objects die young here: the more room they have, the less is copied. */
export const LIMITS: ResourceLimits = { maxOldGenerationSizeMb: 3072, maxYoungGenerationSizeMb: 96, stackSizeMb: 16 }
const FIRST_BACKOFF = 500 // milliseconds before a worker that would not start is tried again
const LAST_BACKOFF = 30_000
/** Milliseconds in which a worker that can be asked to stop does; it is ended afterwards, and warming another takes seconds. */
const STOP_GRACE = 250

export interface PoolOptions {
  readonly size: number
  /** Requests that may wait for a worker. */
  readonly queueSize: number
  /** Called with the number of warm workers whenever it changes. */
  readonly warmChanged: (warm: number) => void
  readonly script?: URL
  readonly limits?: ResourceLimits
}

export class Pool {
  private readonly waiting: Job[] = []
  private readonly slots: Slot[]
  private pending = 0

  constructor(private readonly options: PoolOptions) {
    const script = options.script ?? new URL('./worker.js', import.meta.url)
    const changed = (): void => {
      options.warmChanged(this.slots.filter((slot) => slot.isWarm).length)
      this.assign()
    }
    this.slots = Array.from({ length: options.size }, () => new Slot(script, options.limits ?? LIMITS, changed))
  }

  /** Starts all workers; `warmChanged` tells when they are warm. */
  start(): void {
    for (const slot of this.slots) slot.start()
  }

  /** Ends every worker. */
  async stop(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.stop()))
  }

  /** Takes a job in; false if there is neither a worker nor a place in the queue. `job.answer` is called once. */
  submit(job: Job): boolean {
    if (this.pending >= this.options.size + this.options.queueSize) return false
    this.pending += 1
    this.waiting.push(job)
    this.assign()
    return true
  }

  /** Gives a job up: it does not start, and if it runs, it is stopped or its worker ended. Nothing if it is done. */
  cancel(job: Job): void {
    const place = this.waiting.indexOf(job)
    if (place >= 0) {
      this.waiting.splice(place, 1)
      this.pending -= 1
      return
    }
    this.slots.find((slot) => slot.job === job)?.giveUp()
  }

  private assign(): void {
    for (const slot of this.slots) {
      if (!slot.isFree) continue
      const job = this.waiting.shift()
      if (job === undefined) return
      slot.run(job, () => {
        this.pending -= 1
        this.assign()
      })
    }
  }
}

/** A place for one worker after the other. */
class Slot {
  isWarm = false
  job: Job | undefined
  private done: () => void = () => undefined
  private worker: Worker | undefined
  private backoff = FIRST_BACKOFF
  private isStopping = false

  constructor(
    private readonly script: URL,
    private readonly limits: ResourceLimits,
    private readonly changed: () => void,
  ) {}

  get isFree(): boolean {
    return this.isWarm && this.job === undefined
  }

  start(): void {
    // Nothing of a worker may appear on standard output, whatever a library prints.
    const worker = new Worker(this.script, { resourceLimits: this.limits, stdin: false, stdout: true })
    worker.stdout.on('data', (text: Buffer) => {
      log('worker-printed', { text: text.toString() })
    })
    let cause = ''
    worker.on('message', (report: Report) => {
      if (report.kind === 'warm') this.becomeWarm()
      else if (report.kind === 'event') this.job?.event?.(report.event)
      else if (this.worker === worker) {
        this.finish(report.response)
        if (report.isLast) this.abandon()
      }
    })
    worker.on('error', (error: Error & { code?: string }) => {
      cause =
        error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'ran out of memory' : `ended by ${error.name}: ${error.message}`
    })
    worker.on('exit', (status) => {
      if (this.worker === worker) this.replace(cause || `ended with status ${status}`)
    })
    this.worker = worker
  }

  run(job: Job, done: () => void): void {
    this.job = job
    this.done = done
    const { request, trace } = job
    const assignment: Assignment = trace === undefined ? { request } : { request, trace }
    try {
      this.worker?.postMessage(assignment)
    } catch (error) {
      this.finish(answerOf(error)) // a request that cannot be handed to another thread
    }
  }

  /** Stops the job that is running, by ending the worker if need be. */
  giveUp(): void {
    const { job, worker } = this
    if (job?.stop === undefined) {
      this.abandon()
      return
    }
    job.stop()
    setTimeout(() => {
      if (this.job === job && this.worker === worker) this.abandon()
    }, STOP_GRACE).unref()
  }

  /** Ends the worker with whatever it is doing; `replace` follows. */
  abandon(): void {
    void this.worker?.terminate()
  }

  async stop(): Promise<void> {
    this.isStopping = true
    await this.worker?.terminate()
  }

  private becomeWarm(): void {
    this.isWarm = true
    this.backoff = FIRST_BACKOFF
    this.changed()
  }

  private replace(cause: string): void {
    const wasWarm = this.isWarm
    this.isWarm = false
    this.worker = undefined
    this.finish(crashed(`the worker ${cause}`))
    if (this.isStopping) return
    log('worker-replaced', { cause })
    this.changed()
    if (wasWarm) {
      this.start()
      return
    }
    setTimeout(() => {
      if (!this.isStopping) this.start()
    }, this.backoff).unref()
    this.backoff = Math.min(this.backoff * 2, LAST_BACKOFF)
  }

  private finish(response: Parameters<Job['answer']>[0]): void {
    const { job, done } = this
    if (job === undefined) return
    this.job = undefined
    job.answer(response)
    done()
  }
}
