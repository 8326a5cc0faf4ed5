// A promise that never settles, told from one that takes its time.
//
// The client's execution goes from promise to promise without waiting for anything outside. Once the event loop turns and
// it still has not settled, it never will: somewhere in the client a rejection was lost.

const TURNS = 50 // of the event loop; one would do, if it were not for timers of the client's libraries

export class NeverSettled extends Error {
  constructor() {
    super('the client stopped without an answer')
  }
}

/** The same as `promise`, or a rejection where it will never settle. */
export function settling<Value>(promise: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    let isSettled = false
    let turns = 0
    const turn = (): void => {
      if (isSettled) return
      if (++turns > TURNS) reject(new NeverSettled())
      else setImmediate(turn)
    }
    setImmediate(turn)
    void promise.then(resolve, reject).finally(() => {
      isSettled = true
    })
  })
}
