// The SDKs that the polyglot check uses: how their programs in fixtures/polyglot are started once
// .ci/polyglot has built them, and the versions that their projects name.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One SDK. Its program is both a server and a client. */
export interface Peer {
  /** A name for URLs. */
  name: string
  /** A link, for the table. */
  title: string
  version: string
  /** The words that start its program, which `server [PORT]` or `client …` follow. */
  command: string[]
  /** It speaks 2026-07-28 too. */
  modern: boolean
}

const fixtures = fileURLToPath(new URL('../../fixtures/polyglot/', import.meta.url))

/** Returns the part of a project file that a pattern captures. */
function versionIn(file: string, pattern: RegExp): string {
  const found = pattern.exec(readFileSync(join(fixtures, file), 'utf8'))?.[1]
  if (found === undefined) throw new Error(`no version in ${file}: ${pattern}`)
  return found
}

/** Returns all SDKs, and those whose program is in a directory. */
export function peersIn(build: string): { all: Peer[]; built: Peer[] } {
  const python = join(build, 'python/bin/python')
  const all: Peer[] = [
    {
      name: 'go',
      title: '[Go SDK](https://github.com/modelcontextprotocol/go-sdk)',
      version: versionIn('go/go.mod', /go-sdk v(\S+)/),
      command: [join(build, 'go/sdk')],
      modern: true
    },
    {
      name: 'mcp-go',
      title: '[mcp-go](https://github.com/mark3labs/mcp-go)',
      version: versionIn('go/go.mod', /mcp-go v(\S+)/),
      command: [join(build, 'go/mcpgo')],
      modern: true
    },
    {
      name: 'rust',
      title: '[Rust SDK](https://github.com/modelcontextprotocol/rust-sdk)',
      version: versionIn('rust/Cargo.toml', /rmcp = .*version = "=(.*?)"/),
      command: [join(build, 'rust/debug/polyglot')],
      modern: true
    },
    {
      name: 'java',
      title: '[Java SDK](https://github.com/modelcontextprotocol/java-sdk)',
      version: versionIn('java/pom.xml', /<mcp\.version>(.*)<\/mcp\.version>/),
      command: [
        'java',
        '-XX:TieredStopAtLevel=1',
        '-XX:+UseSerialGC',
        '-cp',
        join(build, 'java/*'),
        'Polyglot'
      ],
      modern: false
    },
    {
      name: 'python',
      title: '[Python SDK](https://github.com/modelcontextprotocol/python-sdk)',
      version: versionIn('python/requirements.txt', /^mcp==(.*)$/m),
      command: [python, join(fixtures, 'python/peer_mcp.py')],
      modern: true
    },
    {
      name: 'fastmcp',
      title: '[FastMCP](https://github.com/PrefectHQ/fastmcp)',
      version: versionIn('python/requirements.txt', /^fastmcp==(.*)$/m),
      command: [python, join(fixtures, 'python/peer_fastmcp.py')],
      modern: true
    }
  ]
  // Java's program is in a jar beside the jars that it needs.
  const program = ({ command }: Peer): string =>
    command[0] === 'java' ? join(build, 'java/polyglot.jar') : (command[0] as string)
  return { all, built: all.filter((peer) => existsSync(program(peer))) }
}
