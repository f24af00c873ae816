// The filter of the page: words with a space between them, all of which must match.
//
// - `method:tools/call`, `tool:fetch`, `session:3`, `server:github` and `is:error` look at one member;
// - another word is looked for in the method, the name and the whole text;
// - `-word` must not match, and quotes hold a text with spaces together.

import type { AnyEntry, Session } from '../../entries.ts'

/** Returns whether an entry is shown. */
export type Matches = (entry: AnyEntry) => boolean

/** What a filter needs to know about other entries. */
export interface Names {
  /** Returns what is known about the session of an entry. */
  sessionOf(entry: AnyEntry): (Session & { client?: string | undefined }) | undefined
}

/** The values of `is:`. */
const kinds: Record<string, Matches> = {
  error: isError,
  request: (entry) => entry.type === 'message' && entry.kind === 'request',
  response: (entry) => entry.type === 'message' && entry.kind === 'response',
  notification: (entry) => entry.type === 'message' && entry.kind === 'notification',
  client: (entry) => entry.type === 'message' && entry.from === 'client',
  server: (entry) => entry.type === 'message' && entry.from === 'server',
  message: (entry) => entry.type === 'message',
  stderr: (entry) => entry.type === 'stderr',
  process: (entry) => entry.type === 'start' || entry.type === 'exit',
  session: (entry) => entry.type === 'open' || entry.type === 'end',
  refusal: (entry) => entry.type === 'refusal'
}

/** Reads a filter. */
export function parseFilter(text: string, names: Names): Matches {
  const tests = [...text.matchAll(/(-?)(?:(\w+):)?(?:"([^"]*)"?|(\S*))/g)].flatMap(
    ([word, minus, key, quoted, plain]) => {
      const value = (quoted ?? plain) as string
      // A word such as `http://a` has a colon too.
      const test = testOf(key, value, names) ?? anywhere(minus ? word.slice(1) : word)
      return value === '' ? [] : [minus ? (entry: AnyEntry) => !test(entry) : test]
    }
  )
  return (entry) => tests.every((test) => test(entry))
}

function testOf(key: string | undefined, value: string, names: Names): Matches | undefined {
  const pattern = patternOf(value)
  const has = (text: string | undefined): boolean => text !== undefined && pattern.test(text)
  switch (key) {
    case undefined:
      return anywhere(value)
    case 'is':
      return kinds[value]
    case 'method':
      return (entry) => entry.type === 'message' && has(entry.method)
    case 'tool':
    case 'name':
      return (entry) => entry.type === 'message' && has(entry.name)
    case 'session':
      return (entry) => {
        const session = names.sessionOf(entry)
        if (session === undefined) return false
        return String(session.session) === value || isLongEnough(value, session, has)
      }
    case 'server':
      return (entry) => {
        const server = 'server' in entry ? entry.server : names.sessionOf(entry)?.server
        return has(server === '' ? 'default' : server)
      }
    case 'error':
      return (entry) => 'error' in entry && has(String(entry.error))
    default:
      return undefined
  }
}

/** A number is that of a session, and not a part of an id. */
const isLongEnough = (
  value: string,
  { id, client, principal, address }: Session & { client?: string | undefined },
  has: (text: string | undefined) => boolean
): boolean => !/^\d+$/.test(value) && [id, client, principal, address].some(has)

/** Whether an entry is about something that went wrong. */
export function isError(entry: AnyEntry): boolean {
  if (entry.type === 'exit') return entry.end !== '0'
  return 'error' in entry && entry.error !== undefined
}

function anywhere(value: string): Matches {
  const pattern = patternOf(value.replace(/^"|"$/g, ''))
  return (entry) => {
    switch (entry.type) {
      case 'message':
        return pattern.test(entry.text) || pattern.test(`${entry.method ?? ''} ${entry.name ?? ''}`)
      case 'stderr':
        return pattern.test(entry.line ?? '')
      case 'refusal':
        return pattern.test(`${entry.error} ${entry.message} ${entry.request ?? ''}`)
      case 'start':
      case 'exit':
        return pattern.test(`${entry.command} ${entry.pid} ${entry.server}`)
      default:
        return pattern.test(`${entry.id} ${entry.principal ?? ''} ${entry.address ?? ''}`)
    }
  }
}

/** Returns a pattern for a text as it is, in upper and lower case. */
export const patternOf = (text: string, flags = 'i'): RegExp =>
  new RegExp(text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), flags)
