// Whether a server speaks the modern revision.

import t from 'tap'
import { discover } from '../../lib/era/discover.ts'
import { HttpStatusError, ProxyError } from '../../lib/errors.ts'
import { errorFrame } from '../../lib/message/refusal.ts'
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
    await discover(server, 0)
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

t.test('a server with any other response, or none in time, is legacy', async (t) => {
  const legacy = { code: 'ERR_LEGACY_SERVER', status: 400, rpc: -32600 }
  const responses = [
    { error: { code: -32601, message: 'what?' } },
    { error: { code: -32602, message: 'not before initialize' } },
    { result: {} },
    { result: null }
  ]
  for (const response of responses) {
    await t.rejects(discover(answering(response), 0), legacy)
  }
  await t.rejects(discover(new TextServer(), 20), legacy)
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
    const legacy = { code: 'ERR_LEGACY_SERVER' }
    for (const status of [400, 404, 405]) {
      await t.rejects(discover(failing(new HttpStatusError('refused', status)), 0), legacy)
    }
    const failures = [
      new HttpStatusError('unavailable', 503),
      new ProxyError('ERR_SERVER_EXITED', 'crashed'),
      new ProxyError('ERR_TIMEOUT', 'no connection')
    ]
    for (const failure of failures) await t.rejects(discover(failing(failure), 0), failure)
  }
)
