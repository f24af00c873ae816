// The ways in which the polyglot check joins a client of an SDK to a server of the same SDK, and what
// each step of their conversation has to give.

import { ending, hasChildren, listen, proxy, serve, start, stop, until } from './processes.ts'
import type { Running } from './processes.ts'
import type { Peer } from './peers.ts'

type Era = 'legacy' | 'modern'

export interface Way {
  title: string
  era: Era
  converse(peer: Peer): Promise<Failure[]>
}

/** A step that did not give what it has to. */
export interface Failure {
  step: string
  error: string
  /** The name of the SDK whose server it was. */
  server: string
}

export const otherTitle = 'other servers'

const tools = 'echo,elicit,grow,progress,roots,sample'

/** What the steps of a conversation have to give. */
const expected: Record<string, RegExp> = {
  connect: /^/,
  list: new RegExp(`^${tools}$`),
  call: /^héllo$/,
  // Some SDKs handle each notification in a task, so the order varies.
  progress: /^(1,2|2,1)$/,
  sampling: /^sampled$/,
  elicitation: /^Ada$/,
  roots: /^file:\/\/\/polyglot$/,
  changes: /^grown$/,
  end: /^ended$/
}

export const steps = Object.keys(expected)

const revisions = { legacy: /^202[45]-/, modern: /^2026-07-28$/ }

interface Line {
  step: string
  result?: string
  error?: string
}

/** Runs a client to its end, and compares what it prints with what is expected. */
async function converse(
  { command, name: server }: Peer,
  era: Era,
  ...way: string[]
): Promise<Failure[]> {
  const client = start([...command, 'client', era, ...way])
  const code = await ending(client, 60_000)
  const { stdout, stderr } = client.output
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
  const got = new Map(
    lines.map((line) => JSON.parse(line) as Line).map((line) => [line.step, line])
  )
  const failures: Failure[] = []
  for (const [step, pattern] of Object.entries(expected)) {
    const { result, error } = got.get(step) ?? {}
    const right = step === 'connect' ? revisions[era] : pattern
    if (result !== undefined && right.test(result)) continue
    const text = error ?? result ?? (stderr.trim().split('\n').at(-1) || 'nothing printed')
    failures.push({ step, error: text, server })
  }
  const error = code === undefined ? 'the client does not exit' : `exit code ${code}`
  if (code !== 0) addEnd(failures, server, error)
  return failures
}

/** Adds a failure of the step `end`, unless there is one. */
function addEnd(failures: Failure[], server: string, error: string): void {
  if (!failures.some(({ step }) => step === 'end')) failures.push({ step: 'end', error, server })
}

/** Server mode. Between its sessions, a proxy without `--shared` or `--stateless` has no process. */
function serverMode(title: string, era: Era, path: string, options: string[] = []): Way {
  return {
    title,
    era,
    async converse(peer) {
      const words = [...peer.command, 'server']
      const named = path.startsWith('/servers/')
      const server = named ? ['--named-server', 'polyglot', quoted(words)] : ['--', ...words]
      return withProxy(peer.name, [...options, ...server], async (running, origin) => {
        const kind = path.endsWith('/sse') ? 'sse' : 'http'
        const failures = await converse(peer, era, kind, `${origin}${path}`)
        if (options.length === 0 && era === 'legacy') {
          const gone = await until(() => !hasChildren(running), 10_000)
          if (!gone) addEnd(failures, peer.name, 'the server process does not end')
        }
        return failures
      })
    }
  }
}

const quoted = (words: string[]): string => words.map((word) => `'${word}'`).join(' ')

async function withProxy(
  name: string,
  words: string[],
  use: (running: Running, origin: string) => Promise<Failure[]>
): Promise<Failure[]> {
  const server = await serve(words)
  const failures = await use(server, server.origin)
  if ((await stop(server)) !== 0) addEnd(failures, name, 'the proxy does not exit with 0')
  return failures
}

/** Server mode with the servers of the other SDKs. */
function otherServers(era: Era, all: Peer[]): Way {
  return {
    title: otherTitle,
    era,
    async converse(peer) {
      const foreign = all.filter(
        ({ name, modern }) => name !== peer.name && (modern || era === 'legacy')
      )
      const words = foreign.flatMap(({ name, command }) => [
        '--named-server',
        name,
        quoted([...command, 'server'])
      ])
      return withProxy(peer.name, words, async (_, origin) => {
        const failures: Failure[] = []
        for (const { name } of foreign) {
          const url = `${origin}/servers/${name}/mcp`
          const found = await converse(peer, era, 'http', url)
          failures.push(...found.map((failure) => ({ ...failure, server: name })))
        }
        return failures
      })
    }
  }
}

/** Client mode, to a server of the SDK that listens itself. */
function clientMode(title: string, era: Era): Way {
  return {
    title,
    era,
    async converse(peer) {
      const server = await listen([...peer.command, 'server'])
      const failures = await converse(peer, era, 'stdio', ...proxy, server.url)
      await stop(server)
      return failures
    }
  }
}

/** Client mode, to server mode. */
function bothModes(era: Era): Way {
  return {
    title: 'both modes',
    era,
    converse: (peer) =>
      withProxy(peer.name, ['--', ...peer.command, 'server'], (_, origin) =>
        converse(peer, era, 'stdio', ...proxy, `${origin}/mcp`)
      )
  }
}

/** Returns the ways in the order of the columns: those of the legacy era, then the others. */
export function waysOf(all: Peer[]): Way[] {
  return [
    serverMode('`/mcp`', 'legacy', '/mcp'),
    serverMode('`/sse`', 'legacy', '/sse'),
    serverMode('named `/mcp`', 'legacy', '/servers/polyglot/mcp'),
    serverMode('named `/sse`', 'legacy', '/servers/polyglot/sse'),
    clientMode('client mode', 'legacy'),
    bothModes('legacy'),
    serverMode('`--shared`', 'legacy', '/mcp', ['--shared']),
    serverMode('`--stateless`', 'legacy', '/mcp', ['--stateless']),
    otherServers('legacy', all),
    serverMode('`/mcp`', 'modern', '/mcp'),
    clientMode('client mode', 'modern'),
    bothModes('modern'),
    otherServers('modern', all)
  ]
}
