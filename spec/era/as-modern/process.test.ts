// A legacy server in a process that dies, behind `reconnect`.

import t from 'tap'
import type { Json } from '../../../fixtures/clients/raw.js'
import { asModern } from '../../../lib/era/as-modern.ts'
import { connectChild } from '../../../lib/stdio/connect-child.ts'
import { reconnect } from '../../../lib/wrappers/reconnect.ts'
import { ended, script, until } from '../../helpers.ts'
import { clientOn } from '../../wrappers/text-server.ts'
import { asking, prefix, retry } from './helpers.ts'
import type { Request } from './helpers.ts'

// The tool asks and then waits. An answer without content ends the process.
const source = `
  const say = (message) => console.log(JSON.stringify({ jsonrpc: '2.0', ...message }))
  const capabilities = { resources: { subscribe: true } }
  const result = { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 's', version: '1' } }
  let call
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method, params, result: answer } = JSON.parse(line)
    if (method === 'initialize') say({ id, result })
    else if (method === 'tools/call') {
      call = id
      say({ id: 'ask', method: 'elicitation/create', params: { message: String(process.pid) } })
    } else if (method === 'resources/subscribe') {
      say({ id, result: {} })
      say({ method: 'notifications/resources/updated', params })
    } else if (answer?.content) say({ id: call, result: { content: [] } })
    else if (answer) process.exit(3)
    else if (method === 'exit') process.exit(4)
  })
`

t.test('a call that is held, or resumed, ends when its process dies', async (t) => {
  const modern = asModern(() => reconnect(() => connectChild(script(source))))
  t.teardown(() => modern.destroy())
  const client = clientOn(modern.port())
  let lastId = 0
  const send = async ({ method, params }: Request): Promise<Json> => {
    const id = ++lastId
    const _meta = {
      [`${prefix}protocolVersion`]: '2026-07-28',
      [`${prefix}clientCapabilities`]: asking
    }
    await client.send({ id, method, params: { ...params, _meta } })
    const frame = await client.frames.until((frame) => frame.id === id)
    return frame?.message()
  }
  const call = { method: 'tools/call', params: { name: 'ask' } }
  const pidIn = (response: Json): number => Number(response.result.inputRequests.q1.params.message)

  const first = await send(call)
  process.kill(pidIn(first), 'SIGKILL')
  await ended(pidIn(first))
  t.match((await send(retry(call, first))).error, { code: -32000, message: /SIGKILL/ })

  const second = await send(call)
  t.not(pidIn(second), pidIn(first))
  const resumed = await send(retry(call, second, { q1: { action: 'decline' } }))
  t.match(resumed.error, { code: -32000, message: /exited with code 3/ })

  const third = await send(call)
  const answers = { q1: { action: 'accept', content: {} } }
  t.equal((await send(retry(call, third, answers))).result.resultType, 'complete')
})

t.test('a subscription outlives the process', async (t) => {
  const modern = asModern(() => reconnect(() => connectChild(script(source))))
  t.teardown(() => modern.destroy())
  const client = clientOn(modern.port())
  const _meta = { [`${prefix}protocolVersion`]: '2026-07-28', [`${prefix}clientCapabilities`]: {} }
  const notifications = { resourceSubscriptions: ['file:///a'] }
  await client.send({ id: 1, method: 'subscriptions/listen', params: { notifications, _meta } })
  await until(() => client.frames.length === 2)
  await client.send({ id: 2, method: 'exit', params: { _meta } })
  await until(() => client.frames.length === 4)
  t.strictSame(
    client.frames.map(({ method, errorCode }) => method ?? errorCode),
    [
      'notifications/subscriptions/acknowledged',
      'notifications/resources/updated',
      -32000,
      'notifications/resources/updated'
    ],
    'the new process gets the subscription again'
  )
})
