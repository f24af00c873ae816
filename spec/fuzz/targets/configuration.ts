// The command line and the config file. Whatever is in them, the result is a configuration, or one line
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

const isLine = (text: string): boolean => !/[\0-\x08\x0a-\x1f\x7f]/.test(text)

export const words: Target = target<Texts>({
  name: 'arguments',
  share: 6,
  make: commandLine,
  run: (input) => {
    const argv = input.toString().split('\0')
    const env = { PATH: '/bin', API_ACCESS_TOKEN: 'token', HOME: '/root' }
    // The log makes one line of each warning, so only an error counts.
    return textsOf(parseArguments(argv, env, 'linux').then(() => []))
  },
  compare(_input, texts) {
    for (const text of texts) expect(isLine(text), `not one line: ${JSON.stringify(text)}`)
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
      expect(isLine(text), `not one line: ${JSON.stringify(text)}`)
      expect(!text.includes(secret), `a secret in: ${text}`)
    }
  },
  close() {
    if (folder !== undefined) rmSync(folder, { recursive: true })
  }
})
