// The end of the process: standard input at end-of-file, SIGTERM, SIGINT. In each case at once, with exit status 0.

import { lstatSync, unlinkSync } from 'node:fs'

/** The socket to remove. Its inode tells it from one that another process put in its place. */
let socket: { path: string; inode: number } | undefined

export function rememberSocket(path: string): void {
  socket = { path, inode: lstatSync(path).ino }
}

/** Executions run on threads of their own, so this thread sees the end at once. */
export function watchForSignals(): void {
  process.on('SIGTERM', end).on('SIGINT', end)
  // Whoever read the log lines may be gone: no reason to fail.
  process.stderr.on('error', () => undefined)
}

/** Ends with the supervisor, which holds standard input open. */
export function watchLifeline(): void {
  process.stdin.on('end', end).on('close', end).on('error', end)
  process.stdin.resume() // the supervisor writes nothing; what comes is not for us
  // Standard error may be gone with the supervisor: no reason to leave the socket behind.
  process.stderr.on('error', end)
}

function end(): never {
  try {
    if (socket === undefined) process.exit(0)
    if (lstatSync(socket.path).ino === socket.inode) unlinkSync(socket.path)
  } catch {
    // Already removed.
  }
  process.exit(0)
}
