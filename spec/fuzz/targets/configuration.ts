// The command line and the config file. Whatever is in them, the result is a configuration, or an error
// that says what is wrong and shows no secret.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArguments } from '../../../lib/cli/arguments/parse-arguments.ts'
import { loadConfigFile } from '../../../lib/config/config-file.ts'
import { describe } from '../../../lib/errors.ts'
import { commandLine, configFile, secret } from '../inputs/words.ts'
import { expect, target } from '../target.ts'
import type { Target } from '../target.ts'

/** The texts that a user gets to see. */
type Texts = string[]

/** Resolves to the texts of a configuration, or to that of the error. */
async function textsOf(made: Promise<Texts>): Promise<Texts> {
  try {
    return await made
  } catch (error) {
    if ((error as Error).name !== 'ProxyError') throw error
    return [describe(error)]
  }
}

export const words: Target = target<Texts>({
  name: 'arguments',
  share: 6,
  make: commandLine,
  run: (input) => {
    const argv = input.toString().split('\0')
    const env = { PATH: '/bin', API_ACCESS_TOKEN: 'token', HOME: '/root' }
    return textsOf(
      parseArguments(argv, env, 'linux').then((config) =>
        'warnings' in config ? config.warnings : []
      )
    )
  }
})

let folder: string | undefined

export const config: Target = target<Texts>({
  name: 'config',
  share: 5,
  make: configFile,
  run: (input) => {
    folder ??= mkdtempSync(path.join(tmpdir(), 'fuzz-config-'))
    const file = path.join(folder, 'servers.json')
    writeFileSync(file, input)
    const environment = (own: Iterable<[string, string]>): Record<string, string> =>
      Object.fromEntries(own)
    const env = { A: 'a', URL: 'http://a/', SECRET: secret }
    return textsOf(loadConfigFile(file, environment, env).then(({ faults }) => faults))
  },
  compare(_input, texts) {
    for (const text of texts) {
      expect(!text.includes(secret), `a secret in: ${text}`)
    }
  },
  close() {
    if (folder !== undefined) rmSync(folder, { recursive: true })
  }
})
