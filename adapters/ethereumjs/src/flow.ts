// How far a worker may run ahead of whoever reads its trace: credit in memory that both threads share.
//
// A worker executes without a pause and sees no message meanwhile, so it waits here, and it is stopped here.

/** Events on their way to the reader besides those that the server's stream holds: enough to keep both threads busy. */
export const WINDOW = 8

const CREDIT = 0
const STOPPED = 1

/** Thrown where nobody reads the trace any more. */
export class TraceStopped extends Error {
  constructor() {
    super('the trace was given up')
  }
}

export class Flow {
  private readonly cells: Int32Array

  /** memory: another thread's, to be on the other side of it. */
  constructor(readonly memory = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.cells = new Int32Array(memory)
  }

  /** The reader's side: room for so many more events. */
  give(count: number): void {
    Atomics.add(this.cells, CREDIT, count)
    Atomics.notify(this.cells, CREDIT)
  }

  /** The reader's side: nobody takes what comes. */
  stop(): void {
    Atomics.store(this.cells, STOPPED, 1)
    this.give(1) // wakes the other side, which looks whether it is stopped before it believes in the credit
  }

  /** The worker's side: waits for room for one event, and takes it. Throws TraceStopped. */
  take(): void {
    while (Atomics.load(this.cells, CREDIT) === 0) Atomics.wait(this.cells, CREDIT, 0)
    if (Atomics.load(this.cells, STOPPED) !== 0) throw new TraceStopped()
    Atomics.sub(this.cells, CREDIT, 1)
  }
}
