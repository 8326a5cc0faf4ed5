// Upload: a witness file in parts, held in memory once it is whole.

import { status, type handleClientStreamingCall } from '@grpc/grpc-js'

import { prefixed } from './hexadecimal.js'
import { log } from './log.js'
import type { UploadPart } from './messages.js'
import { MalformedUpload, Upload, UploadTooLarge } from './upload.js'
import type { Uploads } from './uploads.js'

/** Uploads that arrive at once: each may take as much memory as the largest file. */
const MAX_AT_ONCE = 4

export function uploadCall(uploads: Uploads): handleClientStreamingCall<UploadPart, object> {
  let arriving = 0
  return (call, callback) => {
    if (arriving >= MAX_AT_ONCE) {
      callback({ code: status.RESOURCE_EXHAUSTED, details: `${MAX_AT_ONCE} uploads are arriving already` })
      return
    }
    arriving += 1
    let upload: Upload | undefined = new Upload()
    /** Lets go of what came; once, however the call ends. */
    const leave = (): void => {
      if (upload === undefined) return
      upload = undefined
      arriving -= 1
    }
    const attempt = (step: (upload: Upload) => void): void => {
      if (upload === undefined) return
      try {
        step(upload)
      } catch (error) {
        leave()
        callback({ code: codeOf(error), details: error instanceof Error ? error.message : String(error) })
      }
    }
    call.on('data', (part: UploadPart) => {
      attempt((current) => {
        current.add(part)
      })
    })
    call.on('end', () => {
      attempt((current) => {
        const { digest, file } = current.finish()
        uploads.put(digest, file)
        log('uploaded', { digest: prefixed(digest), bytes: file.length })
        leave()
        callback(null, {})
      })
    })
    call.on('cancelled', leave).on('error', leave).on('close', leave)
  }
}

function codeOf(error: unknown): status {
  if (error instanceof UploadTooLarge) return status.RESOURCE_EXHAUSTED
  return error instanceof MalformedUpload ? status.INVALID_ARGUMENT : status.INTERNAL
}
