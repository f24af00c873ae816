// Servers from a file: our own shape, which is also the one that Claude Desktop, Cursor and VS Code
// write. All that is wrong with it is told at once. Values are not: there are secrets among them.

import { readFile } from 'node:fs/promises'
import { ProxyError } from '../errors.ts'
import { configFile as isConfigFile } from './compiled.js'
import type { Fault } from './compiled.js'
import { isHeaderName, isHeaderValue, isServerName, parseHttpUrl, toUrlConfig } from './config.ts'
import type { ServerConfig, TransportName } from './config.ts'

/** An entry that the schema has found no fault with. */
interface Entry {
  enabled?: boolean
  disabled?: boolean
  command?: string
  args?: string[]
  env?: Record<string, string>
  cwd?: string
  url?: string
  serverUrl?: string
  headers?: Record<string, string>
  transport?: string
  type?: string
  transportType?: string
}

type Servers = Record<string, Entry>

/** What is wrong, by the name of the entry; undefined is the file as a whole. */
type Faults = Map<string | undefined, Set<string>>

/** All of the environment of a server that wants these variables. */
export type MakeEnvironment = (own: Iterable<[string, string]>) => Record<string, string>

/**
 * The servers in the file that are not switched off, by name. There may be none.
 *
 * @throws ProxyError `ERR_CONFIG`, whose message names the file and every fault in it
 */
export async function loadConfigFile(
  file: string,
  environment: MakeEnvironment
): Promise<Map<string, ServerConfig>> {
  const content = parse(file, await read(file))
  const faults: Faults = new Map()
  const named = new Map<string, ServerConfig>()
  if (!isConfigFile(content)) isConfigFile.errors?.forEach((fault) => addSchemaFault(fault, faults))
  // What the schema lets pass may have faults of other kinds: they belong in the same message.
  for (const [name, entry] of faults.has(undefined) ? [] : entriesIn(content)) {
    if (faults.has(name) || entry.enabled === false || entry.disabled === true) continue
    const wrong = check(name, entry)
    if (wrong.length > 0) faults.set(name, new Set(wrong))
    else named.set(name, toServer(entry, environment))
  }
  if (faults.size > 0) throw new ProxyError('ERR_CONFIG', `${file}: ${describeFaults(faults)}`)
  return named
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const text = code === 'ENOENT' ? 'no such file' : `cannot be read (${code})`
    throw new ProxyError('ERR_CONFIG', `${file}: ${text}`)
  }
}

// VS Code's own files have comments and trailing commas. Blanks in their place keep every offset.
const commentOrString = /"(?:\\.|[^"\\])*"|\/\/.*|\/\*[^]*?\*\//g
const lastCommaOrString = /"(?:\\.|[^"\\])*"|,(?=\s*[}\]])/g
const blankUnlessString = (text: string): string =>
  text.startsWith('"') ? text : text.replace(/[^\n]/g, ' ')

function parse(file: string, text: string): unknown {
  const plain = text
    .replace(/^\uFEFF/, ' ')
    .replace(commentOrString, blankUnlessString)
    .replace(lastCommaOrString, blankUnlessString)
  try {
    return JSON.parse(plain)
  } catch (error) {
    // Neither its text nor the error as a cause: it quotes the file.
    const where = locate(plain, (error as Error).message)
    throw new ProxyError('ERR_CONFIG', `${file}: not JSON${where}`)
  }
}

// As much as consists of tokens of JSON, in any order.
const tokens =
  /(?:[ \t\r\n{}[\],:]|"(?:[^"\\\0-\x1f]|\\.)*"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|true|false|null)*/iy

// V8 tells the position of most faults, but not of a character that begins no token.
function locate(text: string, message: string): string {
  const end = text.trimEnd().length
  tokens.lastIndex = 0
  tokens.test(text)
  const offset = Number(/position (\d+)/.exec(message)?.[1] ?? tokens.lastIndex)
  if (message.includes('end of JSON') || (offset >= end && message.includes('position'))) {
    return ': it ends too early'
  }
  if (offset >= end) return ''
  const lines = text.slice(0, offset).split('\n')
  return `: see line ${lines.length}, column ${(lines.at(-1) as string).length + 1}`
}

function entriesIn(content: unknown): [string, Entry][] {
  const { servers, mcpServers } = content as { servers?: Servers; mcpServers?: Servers }
  return Object.entries({ ...servers, ...mcpServers })
}

function addSchemaFault(fault: Fault, faults: Faults): void {
  // The outer half of a fault that is told by its inner one, or the other way round.
  if (fault.keyword === 'if' || fault.keyword === 'required') return
  const [, root, name, member, inner] = fault.instancePath.split('/').map(unescapePointer)
  const list = faults.get(name) ?? new Set()
  faults.set(name, list)
  if (member !== undefined) list.add(memberFault(member, inner, fault))
  else if (fault.keyword === 'anyOf') list.add(name === undefined ? noServers : noTarget)
  else list.add(name === undefined && root !== undefined ? `${root} ${noObject}` : noObject)
}

const noServers = 'has no "mcpServers"'
const noTarget = 'needs a command or a url'
const noObject = 'must be an object'

function memberFault(
  member: string,
  inner: string | undefined,
  { keyword, params }: Fault
): string {
  if (member === 'args') return 'args must be a list of strings'
  if (keyword === 'pattern') return `${member} must not be empty`
  if (keyword === 'enum') {
    return `${member} must be one of ${(params.allowedValues as string[]).join(', ')}`
  }
  if (inner !== undefined) return `${member}: ${inner} must be a string`
  return `${member} must be ${types[params.type as keyof typeof types]}`
}

const types = { boolean: 'true or false', object: 'an object of strings', string: 'a string' }

const unescapePointer = (token: string): string => token.replaceAll('~1', '/').replaceAll('~0', '~')

// What a schema cannot say, or not so that a person understands it.
function check(name: string, entry: Entry): string[] {
  const wrong: string[] = []
  if (!isServerName(name)) wrong.push('the name must be fit for a URL: not empty, "." or ".."')
  if (entry.command !== undefined) {
    const names = Object.keys(entry.env ?? {})
    if (names.some((key) => key === '' || key.includes('='))) wrong.push('env has a name with "="')
    return wrong
  }
  if (parseHttpUrl(urlOf(entry)) === undefined) wrong.push('url must be an http:// or https:// URL')
  for (const [header, value] of Object.entries(entry.headers ?? {})) {
    if (!isHeaderName(header)) wrong.push('headers has a name that no header can have')
    else if (!isHeaderValue(value))
      wrong.push(`headers: ${header} has characters that no header can have`)
  }
  return wrong
}

function toServer(entry: Entry, environment: MakeEnvironment): ServerConfig {
  const { command, args = [], env = {}, cwd, headers = {} } = entry
  if (command === undefined) {
    return toUrlConfig(new URL(urlOf(entry)), Object.entries(headers), transportOf(entry))
  }
  const own = environment(Object.entries(env))
  return { kind: 'command', command, args, env: own, ...(cwd && { cwd }) }
}

const urlOf = ({ url, serverUrl }: Entry): string => url ?? (serverUrl as string)

// Clients that write "http" fall back to HTTP+SSE themselves.
function transportOf({ transport, type, transportType }: Entry): TransportName {
  const word = transport ?? type ?? transportType ?? 'auto'
  if (word === 'sse') return 'sse'
  return word.startsWith('streamable') ? 'streamablehttp' : 'auto'
}

function describeFaults(faults: Faults): string {
  return [...faults]
    .map(
      ([name, wrong]) => (name === undefined ? '' : `${legible(name)}: `) + [...wrong].join(', ')
    )
    .join('; ')
}

const legible = (name: string): string => (/^\S+$/.test(name) ? name : JSON.stringify(name))
