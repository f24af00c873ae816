// Whether a server knows the modern revision.

import t from 'tap'
import { discover } from '../../lib/era/discover.ts'
import { HttpStatusError, ProxyError } from '../../lib/errors.ts'
import { errorFrame } from '../../lib/message/frame.ts'
import { TextServer } from '../wrappers/text-server.ts'

const answering = (answer: object): TextServer => {
  const server = new TextServer()
  server.onFrame = ({ id }) => server.say({ id, ...answer })
  return server
}

t.test('a server that answers, or refuses as only modern ones do, knows it', async (t) => {
  const answers = [
    { result: { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {} } },
    { error: { code: -32022, message: 'version', data: { supported: ['2027-01-01'] } } },
    { error: { code: -32021, message: 'capability' } },
    { error: { code: -32020, message: 'header' } }
  ]
  for (const answer of answers) {
    const server = answering(answer)
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

t.test('any other answer is that of a legacy server, and so is none', async (t) => {
  const legacy = { code: 'ERR_LEGACY_SERVER', status: 400, rpc: -32600 }
  const answers = [
    { error: { code: -32601, message: 'what?' } },
    { error: { code: -32602, message: 'not before initialize' } },
    { result: {} },
    { result: null }
  ]
  for (const answer of answers) await t.rejects(discover(answering(answer), 0), legacy)
  await t.rejects(discover(new TextServer(), 20), legacy)
})

t.test('of a server that leaves nothing is known', async (t) => {
  const server = new TextServer()
  const crash = new ProxyError('ERR_SERVER_EXITED', 'crashed')
  server.onFrame = () => server.destroy(crash)
  await t.rejects(discover(server, 0), { code: 'ERR_SERVER_START', cause: crash })
})

t.test('a failure that the proxy made into an answer is not an answer', async (t) => {
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
})
