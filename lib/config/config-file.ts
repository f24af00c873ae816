// Reads the config file and makes the configuration of each server in it. The file has the format
// of Claude Desktop, Cursor and VS Code. A JSON Schema checks the structure. Then `expandEntry`
// replaces placeholders, and `check` checks the rest. As in the Python mcp-proxy, an entry with a
// fault is left out and the others count. A fault repeats no value, because values may be secrets.

import { describe, ProxyError } from '../errors.ts'
import {
  isDirectory,
  isHeaderName,
  isHeaderValue,
  isServerName,
  isVariableName,
  parseHttpUrl,
  toUrlConfig
} from './checks.ts'
import { blankExtras } from './blank-extras.ts'
import { configFile as isConfigFile } from './compiled.js'
import type { Fault } from './compiled.js'
import type { EraConfig, FilterConfig, ServerConfig, TransportName } from './config.ts'
import { credentialFault, toCredentials, unattended } from './credentials.ts'
import type { CredentialSettings } from './credentials.ts'
import { expand } from './placeholders.ts'
import { readHeadersFile, readText } from './text-files.ts'

/** The entry of one server, after the schema has found no fault in it. */
interface Entry extends Omit<CredentialSettings, 'tokenUrl'> {
  enabled?: boolean | 0 | 1 | '' | null
  disabled?: boolean
  command?: string
  args?: string[]
  env?: Record<string, string>
  cwd?: string
  url?: string
  serverUrl?: string
  headers?: Record<string, string>
  headersFile?: string
  tokenUrl?: string
  transport?: string
  type?: string
  transportType?: string
  era?: NonNullable<EraConfig['era']>
  translate?: NonNullable<EraConfig['translate']>
  tools?: Selection
  prompts?: Selection
  resources?: Selection
}

/** Some programs write only a list: the names to allow. */
type Selection = string[] | NonNullable<FilterConfig['tools']>

type Servers = Record<string, Entry>

/** The faults of each entry, by its name. The key undefined holds the faults of the whole file. */
type Faults = Map<string | undefined, Set<string>>

/** Returns the complete environment of a server. `own` are the variables in the server's entry. */
export type MakeEnvironment = (own: Iterable<[string, string]>) => Record<string, string>

export interface ConfigFile {
  /** The servers by name, without those that are disabled or have a fault. It may be empty. */
  named: Map<string, ServerConfig>
  /** The faults: one text for each entry that has faults, with its name. */
  faults: string[]
}

/**
 * @param env the variables for placeholders
 * @throws ProxyError `ERR_CONFIG` if the file cannot be read, or is not an object with servers
 */
export async function loadConfigFile(
  file: string,
  environment: MakeEnvironment,
  env: NodeJS.ProcessEnv
): Promise<ConfigFile> {
  const content = withoutNull(parse(file, await readText(file)))
  const faults: Faults = new Map()
  const named = new Map<string, ServerConfig>()
  if (!isConfigFile(content)) isConfigFile.errors?.forEach((fault) => addSchemaFault(fault, faults))
  for (const [name, entry] of entriesIn(content)) {
    // Entries that match the schema may still have other faults.
    if (faults.has(name) || isDisabled(entry)) continue
    const wrong: string[] = []
    const expanded = expandEntry(entry, env, wrong)
    if (wrong.length === 0) wrong.push(...check(expanded))
    if (!isServerName(name)) wrong.unshift(badName)
    if (wrong.length > 0) faults.set(name, new Set(wrong))
    else {
      try {
        named.set(name, await toServer(expanded, environment))
      } catch (error) {
        faults.set(name, new Set([describe(error)]))
      }
    }
  }
  const texts = [...faults].map(describeFaults)
  if (faults.has(undefined) && named.size === 0) {
    throw new ProxyError('ERR_CONFIG', `${file}: ${texts.join('; ')}`)
  }
  return { named, faults: texts }
}

function parse(file: string, text: string): unknown {
  const plain = blankExtras(text.replace(/^\uFEFF/, ' '))
  try {
    return JSON.parse(plain)
  } catch (error) {
    // The new error has neither the text of this error nor a cause, because that text quotes the
    // file.
    const where = locate(plain, (error as Error).message)
    throw new ProxyError('ERR_CONFIG', `${file}: not JSON${where}`)
  }
}

// Matches all JSON tokens up to the first character that begins no token.
const tokens =
  /(?:[ \t\r\n{}[\],:]|"(?:[^"\\\0-\x1f]|\\.)*"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|true|false|null)*/iy

// Returns the place of the fault as text. V8's message has the position of most faults, but not of
// a character that begins no token. For that, `tokens` finds the position.
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

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Some programs write `null` for a member that they do not have: a list of servers, or a member of an
 * entry. As `enabled`, it means that the entry is disabled.
 */
function withoutNull(content: unknown): unknown {
  const isList = (name: string): boolean => name === 'servers' || name === 'mcpServers'
  const ofEntry = (entry: unknown): unknown =>
    edited(entry, (name, value) => (value === null && name !== 'enabled' ? undefined : value))
  return edited(content, (name, value) => {
    if (!isList(name)) return value
    return value === null ? undefined : edited(value, (_name, entry) => ofEntry(entry))
  })
}

/** Returns the object with other members. One that becomes undefined is left out. */
function edited(value: unknown, edit: (name: string, member: unknown) => unknown): unknown {
  if (!isObject(value)) return value
  const members = Object.entries(value).map(([name, member]) => [name, edit(name, member)] as const)
  return Object.fromEntries(members.filter(([, member]) => member !== undefined))
}

function entriesIn(content: unknown): [string, Entry][] {
  if (!isObject(content)) return []
  const { servers, mcpServers } = content as { servers?: Servers; mcpServers?: Servers }
  const all: Servers = {
    ...(isObject(servers) && servers),
    ...(isObject(mcpServers) && mcpServers)
  }
  return Object.entries(all)
}

// The Python mcp-proxy tests whether `enabled` is true in Python, so 0, null and '' mean disabled.
function isDisabled({ enabled = true, disabled }: Entry): boolean {
  return !enabled || disabled === true
}

function addSchemaFault(fault: Fault, faults: Faults): void {
  // The schema reports these faults twice. The other report has better words.
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
const notEmpty = 'must not be empty'
const badName = 'the name must be fit for a URL: not empty, "." or ".."'

function memberFault(
  member: string,
  inner: string | undefined,
  { keyword, params }: Fault
): string {
  if (member === 'args') return 'args must be a list of strings'
  if (keyword === 'pattern') return `${member} ${notEmpty}`
  if (member === 'enabled') return 'enabled must be true or false'
  if (kinds.includes(member)) return `${member} must be a list of patterns, or have allow and deny`
  if (keyword === 'enum') {
    return `${member} must be one of ${(params.allowedValues as string[]).join(', ')}`
  }
  if (inner !== undefined) return `${member}: ${inner} must be a string`
  return `${member} must be ${types[params.type as keyof typeof types]}`
}

const kinds = ['tools', 'prompts', 'resources']

const types = {
  boolean: 'true or false',
  object: 'an object of strings',
  string: 'a string'
}

const unescapePointer = (token: string): string => token.replaceAll('~1', '/').replaceAll('~0', '~')

const credentialKeys = [
  'clientId',
  'clientSecret',
  'clientSecretFile',
  'clientKey',
  'clientIssuer',
  'clientMetadataUrl',
  'tokenUrl',
  'username',
  'password',
  'clientCredentials',
  'digest'
] as const

/** Replaces the placeholders in an entry, and adds the faults in them to `wrong`. */
function expandEntry(entry: Entry, env: NodeJS.ProcessEnv, wrong: string[]): Entry {
  const at = (place: string) => (text: string) =>
    expand(text, env, (fault) => wrong.push(`${place}: ${fault}`))
  // A name that is not allowed may be a secret in the wrong place, so no fault repeats it.
  const values = (
    place: string,
    isName: (name: string) => boolean,
    object = {}
  ): Record<string, string> =>
    Object.fromEntries(
      Object.entries<string>(object).map(([name, text]) => [
        name,
        at(isName(name) ? `${place}: ${name}` : place)(text)
      ])
    )
  if (entry.command === undefined) {
    const url = at('url')(urlOf(entry))
    const headers = values('headers', isHeaderName, entry.headers)
    const texts = [...credentialKeys, 'headersFile' as const].flatMap((name) => {
      const text = entry[name]
      return typeof text === 'string' ? [[name, at(name)(text)]] : []
    })
    return { ...entry, ...(Object.fromEntries(texts) as Partial<Entry>), url, headers }
  }
  return {
    ...entry,
    command: at('command')(entry.command),
    args: (entry.args ?? []).map(at('args')),
    env: values('env', isVariableName, entry.env),
    cwd: at('cwd')(entry.cwd ?? '')
  }
}

// Makes the checks that a schema cannot make, or only with an unclear message. Returns the faults.
function check({ command, env = {}, cwd, headers = {}, tokenUrl, ...entry }: Entry): string[] {
  const wrong: string[] = []
  if (command !== undefined) {
    if (command.trim() === '') wrong.push(`command ${notEmpty}`)
    const names = Object.keys(env)
    if (!names.every(isVariableName)) wrong.push('env has a name that is empty or has a "=" in it')
    if (cwd && !isDirectory(cwd)) wrong.push('cwd: there is no such directory')
    return wrong
  }
  if (parseHttpUrl(urlOf(entry)) === undefined) wrong.push('url must be an http:// or https:// URL')
  for (const [header, value] of Object.entries(headers)) {
    if (!isHeaderName(header)) wrong.push('headers has a name that is not allowed')
    else if (!isHeaderValue(value)) {
      wrong.push(`headers: ${header} has a character that is not allowed`)
    }
  }
  const token = tokenUrl && parseHttpUrl(tokenUrl)
  if (tokenUrl && !token) wrong.push('tokenUrl must be an http:// or https:// URL')
  const fault = credentialFault({ ...entry, tokenUrl: token || undefined }, (name) => name)
  if (fault !== undefined) wrong.push(fault)
  return wrong
}

async function toServer(entry: Entry, environment: MakeEnvironment): Promise<ServerConfig> {
  const { command, args = [], env = {}, cwd, headers = {}, headersFile, era, translate } = entry
  const common: EraConfig & FilterConfig = {
    ...(era && { era }),
    ...(translate && { translate }),
    ...(entry.tools && { tools: selectionOf(entry.tools) }),
    ...(entry.prompts && { prompts: selectionOf(entry.prompts) }),
    ...(entry.resources && { resources: selectionOf(entry.resources) })
  }
  if (command === undefined) {
    const fromFile = headersFile ? await readHeadersFile(headersFile) : []
    const all = [...fromFile, ...Object.entries(headers)]
    const config = toUrlConfig(new URL(urlOf(entry)), all, transportOf(entry))
    if (credentialKeys.every((key) => entry[key] === undefined)) return { ...config, ...common }
    const tokenUrl = entry.tokenUrl ? new URL(entry.tokenUrl) : undefined
    return { ...config, credentials: toCredentials({ ...entry, tokenUrl }, unattended), ...common }
  }
  const own = environment(Object.entries(env))
  return { kind: 'command', command, args, env: own, ...(cwd && { cwd }), ...common }
}

const selectionOf = (selection: Selection): NonNullable<FilterConfig['tools']> =>
  Array.isArray(selection) ? { allow: selection } : selection

const urlOf = ({ url, serverUrl }: Entry): string => url ?? (serverUrl as string)

// Clients that use the word "http" fall back to HTTP+SSE, so "http" means `auto`.
function transportOf({ transport, type, transportType }: Entry): TransportName {
  const word = transport ?? type ?? transportType ?? 'auto'
  if (word === 'sse') return 'sse'
  return word.startsWith('streamable') ? 'streamablehttp' : 'auto'
}

function describeFaults([name, wrong]: [name: string | undefined, wrong: Set<string>]): string {
  return (name === undefined ? '' : `${legible(name)}: `) + [...wrong].join(', ')
}

const legible = (name: string): string => (/^\S+$/.test(name) ? name : JSON.stringify(name))
