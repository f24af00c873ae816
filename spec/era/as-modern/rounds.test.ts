// The questions of a legacy server, as a modern client gets them.

import t from 'tap'
import { asking, form, retry, serverInfo, setUp } from './helpers.ts'
import type { LegacyServer } from './helpers.ts'

const call = { method: 'tools/call', params: { name: 'greet', arguments: { n: 1 } } }

t.test(
  'a question becomes an input_required result, and the retry completes the call',
  async (t) => {
    const { servers, connect } = setUp(t, (frame, server) => {
      if (frame.method !== 'tools/call') return
      void server.ask('ask', 'elicitation/create', form).then(({ result }) => {
        server.respond(frame, { content: [], structuredContent: { got: result } })
      })
    })
    const client = connect({ capabilities: asking })
    const first = await client.call(call)
    t.match(first.result, {
      resultType: 'input_required',
      inputRequests: { q1: { method: 'elicitation/create', params: form } },
      requestState: /^[\w-]{32}$/,
      _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo }
    })
    const answer = { action: 'accept', content: { name: 'Ann' } }
    const second = await client.call(retry(call, first, { q1: answer }))
    t.match(second.result, {
      resultType: 'complete',
      structuredContent: { got: answer },
      _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo }
    })
    t.equal(servers.length, 1)
    const [server] = servers as [LegacyServer]
    const calls = server.received.filter(({ method }) => method === 'tools/call')
    t.equal(calls.length, 1, 'the server has one call')
    t.strictSame(calls[0]?.message().params, { ...call.params, _meta: {} })
  }
)
