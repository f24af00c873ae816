// What the traffic page shows: an entry for each message, session, refusal, and event of a process. The
// server of the page makes the entries and sends them as JSON. The page has the same types.

/** A member that is the same in all entries. */
interface Entry {
  /** The number of the entry: 0, 1, 2, … without gaps. */
  seq: number
  /** When it happened: a Unix time in ms, with a fraction. */
  time: number
}

/** A session, or the clients without a session that have the same server, principal and address. */
export interface Session {
  /** The number of the session: 1, 2, 3, … */
  session: number
  kind: 'session' | 'stateless' | 'modern' | 'recorded'
  /** The first characters of the session's id, or its name in a recording. */
  id: string
  /** `''` is the default server. */
  server: string
  principal?: string | undefined
  address?: string | undefined
}

export interface SessionEntry extends Entry, Session {
  type: 'open' | 'end'
  /** The code of the error that ended the session. */
  error?: string | undefined
}

export interface MessageEntry extends Entry {
  type: 'message'
  session: number
  from: 'client' | 'server'
  kind: 'request' | 'notification' | 'response'
  /** Of a response: the method of its request. */
  method?: string | undefined
  /** The name of the tool or the prompt, or the URI of the resource. */
  name?: string | undefined
  /** In bytes. */
  size: number
  /** The entry with the request, for its response, its progress and its cancellation. */
  call?: number | undefined
  /** Of a response: the time since its request, in ms. */
  took?: number | undefined
  /** The code of the JSON-RPC error or that of a `ProxyError`, or `tool error`. */
  error?: number | string | undefined
  /** True if the client could not get the response any more. */
  undelivered?: true | undefined
  /** The text of the message. */
  text: string
  /** True if the message is longer than `text`. */
  cut?: true | undefined
}

export interface RefusalEntry extends Entry {
  type: 'refusal'
  error: string
  message: string
  /** The HTTP method and the path. */
  request?: string | undefined
  server?: string | undefined
  principal?: string | undefined
  address?: string | undefined
}

export interface ProcessEntry extends Entry {
  type: 'start' | 'stderr' | 'exit'
  server: string
  pid: number
  command: string
  /** The line on stderr. */
  line?: string | undefined
  /** The exit code, or the signal. */
  end?: string | undefined
}

export type AnyEntry = SessionEntry | MessageEntry | RefusalEntry | ProcessEntry

/** What the page learns when it connects. */
export interface Hello {
  version: string
  /** The recording, if the page does not show live traffic. */
  file?: string | undefined
  /** The URL of each server, for `curl`. */
  urls: Record<string, string>
  /** Whether clients need a token. */
  needsToken: boolean
}

/** Sent when the page connects, and when entries were dropped. */
export interface Sessions {
  sessions: Session[]
  /** How many entries the page does not get, since the last time. */
  dropped: number
}
