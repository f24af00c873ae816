// Keeps the tokens and registrations of all servers in files that all processes of the user share:
// one file for each server and client, with the issuer inside. Only the user can read them.

import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ProxyError } from '../../../errors.ts'
import type { GrantStore } from '../sign-in.ts'
import type { Grant } from './grant.ts'
import { replace, withLock } from './lock.ts'
import { storeName } from './store-folder.ts'

/** The version of the form of the files. A change that older releases cannot read raises it. */
const schema = 1

/** What a file holds. */
export interface StoredGrant {
  schema: typeof schema
  /** The URL of the MCP server, without what may be secret. */
  server: string
  grant: Grant
}

export class TokenStore implements GrantStore {
  readonly #folder: string
  readonly #server: string
  readonly #name: string

  /** @param client the client id or metadata URL that the user gave, if any */
  constructor(folder: string, server: URL, client = '') {
    this.#folder = folder
    this.#server = server.origin + server.pathname
    this.#name = storeName(server, client)
  }

  async load(): Promise<Grant | undefined> {
    const stored = await readStored(this.#file)
    return stored?.grant
  }

  async save(grant: Grant): Promise<void> {
    const stored: StoredGrant = { schema, server: this.#server, grant }
    try {
      await replace(this.#file, `${JSON.stringify(stored)}\n`)
    } catch (cause) {
      throw this.#notWritable(cause)
    }
  }

  /** Removes the tokens and the registration. Returns whether there were any. */
  async remove(): Promise<boolean> {
    try {
      await rm(this.#file)
      return true
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw this.#notWritable(cause)
    }
  }

  async exclusively<T>(
    work: () => Promise<T>,
    signal: AbortSignal,
    skip?: () => Promise<T | undefined>
  ): Promise<T> {
    let isRunning = false
    const run = (): Promise<T> => {
      isRunning = true
      return work()
    }
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      return await withLock(this.#folder, this.#name, run, signal, skip)
    } catch (cause) {
      if (isRunning || cause instanceof ProxyError || signal.aborted) throw cause
      throw this.#notWritable(cause)
    }
  }

  get #file(): string {
    return join(this.#folder, `${this.#name}.json`)
  }

  #notWritable(cause: unknown): ProxyError {
    const message = `cannot write the tokens in ${this.#folder}`
    return new ProxyError('ERR_TOKEN', message, { cause })
  }
}

/** Returns what the folder holds. */
export async function listStored(folder: string): Promise<StoredGrant[]> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new ProxyError('ERR_TOKEN', `cannot read ${folder}`, { cause })
  }
  const files = names.filter((name) => name.endsWith('.json')).sort()
  const all = await Promise.all(files.map((name) => readStored(join(folder, name))))
  return all.filter((stored) => stored !== undefined)
}

async function readStored(file: string): Promise<StoredGrant | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new ProxyError('ERR_TOKEN', `cannot read the tokens in ${file}`, { cause })
  }
  const stored = parse(text)
  const found = stored?.schema
  if (typeof found === 'number' && found > schema) {
    throw new ProxyError('ERR_TOKEN', `a newer mcp-proxy wrote ${file}: update this one`)
  }
  if (found === schema && isGrant(stored?.grant)) return stored as unknown as StoredGrant
  throw new ProxyError('ERR_TOKEN', `${file} is damaged: remove it, and sign in again`)
}

/** Returns undefined for what is not a JSON object. The error of JSON.parse would show the text. */
function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

function isGrant(value: unknown): value is Grant {
  if (typeof value !== 'object' || value === null) return false
  const { issuer, tokenEndpoint, resource, accessToken, registration } = value as Partial<Grant>
  const texts = [issuer, tokenEndpoint, resource, accessToken, registration?.clientId]
  return texts.every((text) => typeof text === 'string')
}
