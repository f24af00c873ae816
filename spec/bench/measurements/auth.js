// What authorization costs for each small call: with a fixed token, and with a JWT of an issuer that was
// checked before. The baseline is the proxy without authorization.

import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SessionClient } from '../clients/session-client.js'
import { ours, serverMode } from '../proxies.js'
import { startServer } from '../start-server.js'
import { compareCalls } from './calls.js'

const publicUrl = 'https://mcp.example.com'
const withoutToken = 'without tokens'

export async function* measureAuth({ rounds }) {
  // It is slow to load, and warns.
  const { startIssuer } = await import('../../../fixtures/servers/issuer.js')
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  const issuer = await startIssuer({ clients: ['alice'] })
  try {
    const file = join(directory, 'tokens')
    const others = Array.from({ length: 20 }, (_, index) => `user-${index}:token-${index}\n`)
    writeFileSync(file, `${others.join('')}alice:token-alice\n`)
    const jwt = await issuer.token('alice', publicUrl)
    const cases = [
      ['authorization, a fixed token', 'token-alice', '--auth-token-file', file],
      ['authorization, a JWT', jwt, '--auth-issuer', issuer.url, '--public-url', publicUrl]
    ]
    for (const [title, token, ...flags] of cases) yield [title, await compare(token, flags, rounds)]
  } finally {
    await issuer.stop()
    rmSync(directory, { recursive: true })
  }
}

async function compare(token, flags, rounds) {
  const candidates = []
  try {
    candidates.push(await open(withoutToken, [], {}))
    candidates.push(await open(ours, flags, { authorization: `Bearer ${token}` }))
    return await compareCalls(candidates, rounds)
  } finally {
    for (const { close } of candidates) await close()
  }
}

async function open(name, flags, headers) {
  const { args, path } = serverMode('/mcp', ...flags)
  const { port, pid, stop } = await startServer(args)
  const client = new SessionClient({ port, path, headers })
  await client.open()
  const close = async () => {
    client.close()
    await stop()
  }
  return { name, client, pid, close }
}
