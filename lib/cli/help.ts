// Renders what --help prints: the flags, group by group, and texts about the whole command. Only
// --help loads this file.

import { flagRows } from './flag-rows.ts'
import type { FlagGroup } from './flags/flag.ts'

const width = 80
/** The column where the explanation of each flag begins. */
const indent = 29
const noBreak = '\u00a0'

/**
 * @param groups the table of flags. This file must not import the table, because the bundler would
 *   then load the table lazily for all modes, and every start would be slower.
 */
export function renderHelp(groups: readonly FlagGroup[]): string {
  const tables = groups.map(({ title, flags }) => {
    const rows = flagRows(flags).map(({ heading, text, byDefault }) => {
      const all = byDefault === '' ? text : `${text} (default:${noBreak}${byDefault})`
      return renderRow(heading, all.replaceAll('`', ''))
    })
    return `${title}:\n${rows.join('')}`
  })
  return [introduction, ...tables, environment, examples].join('\n')
}

/** Returns the lines of one flag. A heading too long for its column gets a line of its own. */
function renderRow(heading: string, text: string): string {
  const lines = wrap(text).map((line) => ' '.repeat(indent) + line.replace(noBreak, ' '))
  const start = `  ${heading}`
  if (start.length < indent - 1) lines[0] = start + (lines[0] as string).slice(start.length)
  else lines.unshift(start)
  return `${lines.join('\n')}\n`
}

function wrap(text: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > width - indent) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

const introduction = `usage: mcp-proxy [options] URL
       mcp-proxy [options] [--] COMMAND [ARGS...]
       mcp-proxy [options] --named-server NAME 'COMMAND ARGS' ...
       mcp-proxy [options] --named-server-config FILE
       mcp-proxy login URL | logout URL | tokens
       mcp-proxy inspect FILE

Joins any MCP client to any MCP server.

Client mode: with a URL, the command is an MCP server on its stdin and stdout
for the client that starts it, and passes every message to the server at the
URL and back.

Server mode: with a COMMAND or named servers, it listens on HTTP for clients,
and starts the servers. COMMAND is the default server, at /mcp and /sse.

A server that asks for OAuth opens the browser once. login does so ahead,
logout removes the tokens of a server, and tokens lists what is stored.

inspect shows a recording of --record in a browser, and --inspect live traffic.

Options may also follow the COMMAND. -- ends them: the words after it belong to
the COMMAND. Logs go to stderr.

A SIZE is like 512k, 64m or 1g. A time T is like 500ms, 30s, 5m or 1h. As the
value of a limit, 0 means no limit.
`

const environment = `Environment:
  API_ACCESS_TOKEN           client mode: sends Authorization: Bearer TOKEN
  MCP_PROXY_CLIENT_SECRET    client mode: the secret of --client-id
  MCP_PROXY_PASSWORD         client mode: the password of --username
  MCP_PROXY_AUTH_TOKEN       server mode: a token that lets clients in, beside
                             those of --auth-token-file
  SSE_URL                    the URL, if neither URL nor COMMAND is given
  HTTP_PROXY, HTTPS_PROXY, NO_PROXY
                             the HTTP proxy on the way to a URL
`

const examples = `Examples:
  mcp-proxy http://localhost:8080/sse
  mcp-proxy --no-verify-ssl https://server.local/sse
  mcp-proxy --transport streamablehttp http://localhost:8080/mcp
  mcp-proxy --headers Authorization 'Bearer YOUR_TOKEN' \\
    http://localhost:8080/sse
  mcp-proxy --client-id CLIENT_ID --client-secret CLIENT_SECRET \\
    --token-url https://auth.example.com/token http://localhost:8080/sse
  mcp-proxy --port 8080 -- your-command --arg1 value1 --arg2 value2
  mcp-proxy --named-server fetch 'uvx mcp-server-fetch' --port 8080
  mcp-proxy --port=8080 --named-server fetch 'uvx mcp-server-fetch' \\
    --named-server fetch2 'uvx mcp-server-fetch'
  mcp-proxy --port=8080 --named-server-config ./servers.json
  mcp-proxy your-command --port 8080 -e KEY VALUE -e ANOTHER_KEY ANOTHER_VALUE
  mcp-proxy your-command --port 8080 --allow-origin='*'
  mcp-proxy your-command --port 8080 --allow-origin='*' \\
    --expose-header Custom-Header
  mcp-proxy uvx mcp-server-fetch
  mcp-proxy --port=8080 -- uvx mcp-server-fetch --user-agent=YourUserAgent
  mcp-proxy --pass-environment --port=8096 --sse-host 0.0.0.0 \\
    uvx mcp-server-fetch
`
