// The ways in which the polyglot check joins a client of an SDK to a server of the same SDK, and what
// each step of their conversation has to give.

import { ending, hasChildren, listen, proxy, serve, start, stop, until } from './processes.ts'
import type { Running } from './processes.ts'
import type { Peer } from './peers.ts'

type Era = 'legacy' | 'modern'

export interface Way {
  title: string
  era: Era
  converse(peer: Peer): Promise<Failures>
}

/** The steps that failed → the error. */
export type Failures = Map<string, string>

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
async function converse({ command }: Peer, era: Era, ...way: string[]): Promise<Failures> {
  const client = start([...command, 'client', era, ...way])
  const code = await ending(client, 60_000)
  const { stdout, stderr } = client.output
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
  const got = new Map(
    lines.map((line) => JSON.parse(line) as Line).map((line) => [line.step, line])
  )
  const failures: Failures = new Map()
  for (const [step, pattern] of Object.entries(expected)) {
    const { result, error } = got.get(step) ?? {}
    const right = step === 'connect' ? revisions[era] : pattern
    if (result !== undefined && right.test(result)) continue
    failures.set(step, error ?? result ?? (stderr.trim().split('\n').at(-1) || 'nothing printed'))
  }
  if (code !== 0 && !failures.has('end')) {
    failures.set('end', code === undefined ? 'the client does not exit' : `exit code ${code}`)
  }
  return failures
}

/** Adds a failure of the step `end` if a process does not end well. */
async function checkEnd(failures: Failures, ended: Promise<boolean>, text: string): Promise<void> {
  if (!(await ended) && !failures.has('end')) failures.set('end', text)
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
      return withProxy([...options, ...server], async (running, origin) => {
        const kind = path.endsWith('/sse') ? 'sse' : 'http'
        const failures = await converse(peer, era, kind, `${origin}${path}`)
        if (options.length === 0 && era === 'legacy') {
          const gone = until(() => !hasChildren(running), 10_000)
          await checkEnd(failures, gone, 'the server process does not end')
        }
        return failures
      })
    }
  }
}

const quoted = (words: string[]): string => words.map((word) => `'${word}'`).join(' ')

async function withProxy(
  words: string[],
  use: (running: Running, origin: string) => Promise<Failures>
): Promise<Failures> {
  const server = await serve(words)
  const failures = await use(server, server.origin)
  const code = stop(server).then((code) => code === 0)
  await checkEnd(failures, code, 'the proxy does not exit with 0')
  return failures
}

/** Server mode with the servers of the other SDKs. A failure is that of the first server with one. */
export function others(all: Peer[]): Way {
  return {
    title: 'other servers',
    era: 'legacy',
    async converse(peer) {
      const foreign = all.filter(({ name }) => name !== peer.name)
      const words = foreign.flatMap(({ name, command }) => [
        '--named-server',
        name,
        quoted([...command, 'server'])
      ])
      return withProxy(words, async (_, origin) => {
        const failures: Failures = new Map()
        for (const { name } of foreign) {
          const found = await converse(peer, 'legacy', 'http', `${origin}/servers/${name}/mcp`)
          for (const [step, error] of found) {
            if (!failures.has(step)) failures.set(step, `${name}: ${error}`)
          }
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
const bothModes: Way = {
  title: 'both modes',
  era: 'legacy',
  async converse(peer) {
    return withProxy(['--', ...peer.command, 'server'], (_, origin) =>
      converse(peer, 'legacy', 'stdio', ...proxy, `${origin}/mcp`)
    )
  }
}

export const ways: Way[] = [
  serverMode('`/mcp`', 'legacy', '/mcp'),
  serverMode('`/sse`', 'legacy', '/sse'),
  serverMode('named `/mcp`', 'legacy', '/servers/polyglot/mcp'),
  serverMode('named `/sse`', 'legacy', '/servers/polyglot/sse'),
  clientMode('client mode', 'legacy'),
  bothModes,
  serverMode('`--shared`', 'legacy', '/mcp', ['--shared']),
  serverMode('`--stateless`', 'legacy', '/mcp', ['--stateless']),
  serverMode('2026-07-28, `/mcp`', 'modern', '/mcp'),
  clientMode('2026-07-28, client mode', 'modern')
]
