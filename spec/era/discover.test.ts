// Whether a server speaks the modern revision.

import t from 'tap'
import { discover, ownRequest } from '../../lib/era/discover.ts'
import { HttpStatusError, ProxyError } from '../../lib/errors.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { errorFrame } from '../../lib/message/refusal.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { TextServer } from '../wrappers/text-server.ts'

const answering = (response: object): TextServer => {
  const server = new TextServer()
  server.onFrame = ({ id }) => server.say({ id, ...response })
  return server
}

t.test('a server with a modern result or a modern error code is modern', async (t) => {
  const responses = [
    { result: { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {} } },
    { error: { code: -32022, message: 'version', data: { supported: ['2027-01-01'] } } },
    { error: { code: -32021, message: 'capability' } },
    { error: { code: -32020, message: 'header' } }
  ]
  for (const response of responses) {
    const server = answering(response)
    t.equal(await discover(server, 0), 'modern')
    t.match(server.received[0]?.message(), {
      method: 'server/discover',
      params: {
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientInfo': { name: 'mcp-proxy' },
          'io.modelcontextprotocol/clientCapabilities': {}
        }
      }
    })
    t.notOk(server.destroyed)
  }
})

t.test('a server with any other response is legacy', async (t) => {
  const responses = [
    { error: { code: -32601, message: 'what?' } },
    { error: { code: -32602, message: 'not before initialize' } },
    { result: {} },
    { result: null }
  ]
  for (const response of responses) {
    t.equal(await discover(answering(response), 0), 'legacy')
  }
  await t.rejects(discover(new TextServer(), 20), { code: 'ERR_TIMEOUT' })
})

t.test('a server that closes is neither: its error is thrown', async (t) => {
  const server = new TextServer()
  const crash = new ProxyError('ERR_SERVER_EXITED', 'crashed')
  server.onFrame = () => server.destroy(crash)
  await t.rejects(discover(server, 0), { code: 'ERR_SERVER_START', cause: crash })
})

t.test(
  'an error response that the proxy made is thrown, unless it is an HTTP refusal',
  async (t) => {
    const failing = (failure: ProxyError): TextServer => {
      const server = new TextServer()
      server.onFrame = ({ id }) => server.push(errorFrame(id, failure))
      return server
    }
    for (const status of [400, 404, 405]) {
      t.equal(await discover(failing(new HttpStatusError('refused', status)), 0), 'legacy')
    }
    const failures = [
      new HttpStatusError('unavailable', 503),
      new ProxyError('ERR_SERVER_EXITED', 'crashed'),
      new ProxyError('ERR_TIMEOUT', 'no connection')
    ]
    for (const failure of failures) await t.rejects(discover(failing(failure), 0), failure)
  }
)

t.test('the proxy can speak in the name of a client', async (t) => {
  const key = (name: string): string => `io.modelcontextprotocol/${name}`
  const requestWith = (meta: string): Frame =>
    parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":7,"method":"x","params":{"_meta":{${meta}}}}`))
  const like = requestWith(
    `"progressToken":1,"${key('clientInfo')}":{"name":"a", "n":1e400},"${key('clientCapabilities')}":{}`
  )
  t.equal(
    ownRequest(5, 'tools/list', { cursor: 'c' }, like).bytes.toString(),
    '{"jsonrpc":"2.0","id":5,"method":"tools/list","params":{"cursor":"c","_meta":{' +
      `"${key('protocolVersion')}":"2026-07-28","${key('clientInfo')}":{"name":"a", "n":1e400},` +
      `"${key('clientCapabilities')}":{}}}}`
  )
  t.strictSame(ownRequest(5, 'x', {}, requestWith('')).message().params, {
    _meta: { [key('protocolVersion')]: '2026-07-28' }
  })
})
