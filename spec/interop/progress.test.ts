// Progress notifications reach the clients of the SDK, although such a client forgets a request as
// soon as it reads the response: here three notifications and the response come in one write.

import { Client as Client2 } from '@modelcontextprotocol/client'
import { StdioClientTransport as Transport2 } from '@modelcontextprotocol/client/stdio'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import t from 'tap'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import { notification, response, script, until, watch } from '../helpers.ts'
import { command, environment, node, startProxy } from './helpers.ts'

t.setTimeout(60_000)

const server = `
const send = (...messages) => process.stdout.write(
  messages.map((message) => JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n').join('')
)
require('node:readline').createInterface(process.stdin).on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  const { protocolVersion } = params ?? {}
  if (method === 'initialize') {
    const serverInfo = { name: 'burst', version: '1.0.0' }
    send({ id, result: { protocolVersion, capabilities: { tools: {} }, serverInfo } })
  } else if (method === 'tools/list') {
    send({ id, result: { tools: [{ name: 'burst', inputSchema: { type: 'object' } }] } })
  } else if (method === 'tools/call') {
    const { progressToken } = params._meta
    const progress = [1, 2, 3].map((progress) => {
      return { method: 'notifications/progress', params: { progressToken, progress } }
    })
    send(...progress, { id, result: { content: [] } })
  } else if (id !== undefined) send({ id, error: { code: -32601, message: 'unknown' } })
})`

const proxy = await startProxy(t, '--', node, ...script(server).args)

const clientInfo = { name: 'interop', version: '1.0.0' }
const stdio = { command: node, env: environment, stderr: 'ignore' as const }

interface Caller {
  call(onprogress: () => void): Promise<unknown>
  close(): Promise<void>
}

const generations: Record<string, (args: string[]) => Promise<Caller>> = {
  'SDK 1.x': async (args) => {
    const client = new Client1(clientInfo)
    await client.connect(new Transport1({ ...stdio, args }))
    return {
      call: (onprogress) => client.callTool({ name: 'burst' }, undefined, { onprogress }),
      close: () => client.close()
    }
  },
  'SDK 2.x': async (args) => {
    const client = new Client2(clientInfo)
    await client.connect(new Transport2({ ...stdio, args }))
    return {
      call: (onprogress) => client.callTool({ name: 'burst' }, { onprogress }),
      close: () => client.close()
    }
  }
}

for (const [generation, connect] of Object.entries(generations)) {
  t.test(`all progress notifications reach a client of ${generation}`, async (t) => {
    for (const url of [proxy.mcp(), proxy.sse()]) {
      const client = await connect([command, url])
      t.teardown(client.close)
      let count = 0
      for (let call = 0; call < 10; call++) await client.call(() => count++)
      t.equal(count, 30, 'one call after another')
      await Promise.all(Array.from({ length: 40 }, () => client.call(() => count++)))
      t.equal(count, 150, 'all calls at once')
    }
  })
}

t.test('a server gets the progress of a client before the response', async (t) => {
  const asking = script(`
    const message = { jsonrpc: '2.0', id: 1, method: 'sampling/createMessage' }
    message.params = { _meta: { progressToken: 7 } }
    console.log(JSON.stringify(message))
    process.stdin.on('data', (chunk) => {
      const methods = chunk.toString().trim().split('\\n').map((line) => JSON.parse(line).method)
      console.log(JSON.stringify({ jsonrpc: '2.0', method: 'read', params: { methods } }))
    })`)
  const transport = connectChild(asking)
  t.teardown(() => transport.destroy())
  const { frames } = watch(transport)
  await frames.until(({ method }) => method === 'sampling/createMessage')
  const name = 'notifications/progress'
  for (const progress of [1, 2]) {
    transport.write(notification(name, { progressToken: 7, progress }))
  }
  transport.write(response(1))
  // The methods of the messages that the server got in each read. The response has no method.
  const reads = (): unknown[] =>
    frames.filter(({ method }) => method === 'read').map((frame) => frame.message().params?.methods)
  await until(() => reads().flat().length === 3)
  t.strictSame(reads().flat(), [name, name, null])
  t.strictSame(reads().at(-1), [null])
})
