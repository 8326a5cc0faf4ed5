// Certificates for tests, made by the openssl program: an authority, and what it has signed.

import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { temporaryFolder } from './temporary-folder.js'

/** Why tests with TLS are skipped; false where they are not. */
export const skip = spawnSync('openssl', ['version']).status === 0 ? false : 'needs the openssl program'

export interface Signed {
  readonly certificate: string
  readonly key: string
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']

export class Authority implements Signed {
  private readonly folder = temporaryFolder('certificates')
  readonly certificate = join(this.folder, 'ca.pem')
  readonly key = join(this.folder, 'ca.key')

  constructor(name: string) {
    run('req', '-x509', ...CURVE, '-subj', `/CN=${name}`, '-keyout', this.key, '-out', this.certificate)
  }

  sign(name: string): Signed {
    const certificate = join(this.folder, `${name}.pem`)
    const key = join(this.folder, `${name}.key`)
    const signing = ['-CA', this.certificate, '-CAkey', this.key, '-addext', 'subjectAltName=IP:127.0.0.1']
    run('req', '-x509', ...CURVE, ...signing, '-subj', `/CN=${name}`, '-keyout', key, '-out', certificate)
    return { certificate, key }
  }
}

function run(...words: string[]): void {
  execFileSync('openssl', words, { stdio: 'pipe' })
}
