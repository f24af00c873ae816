// What is remembered of the tools of a server.

import t from 'tap'
import { ToolList } from '../../lib/http-client/tool-list.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { maxTools } from '../../lib/message/tools-in.ts'
import { KeptLog } from '../helpers.ts'

const listOf = (tools: string) =>
  parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":1,"result":{"tools":[${tools}]}}`))

t.test('a list may have as many tools as the limit, and no more', async (t) => {
  const list = new ToolList(new KeptLog(), 'server')
  const tools = (count: number): string =>
    Array.from({ length: count }, (_, n) => `{"name":"${n}"}`).join()
  const response = listOf(tools(maxTools))
  t.equal(list.read(response), response)
  t.throws(() => list.read(listOf(tools(maxTools + 1))), { code: 'ERR_HTTP_ANSWER' })
})

t.test('a value that is not a tool is left out, with one warning', async (t) => {
  const log = new KeptLog()
  const list = new ToolList(log, 'server')
  const read = list.read(listOf('1,{"name":"a"},{"name":{"toString":1}},null'))
  t.equal(String(read), '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]}}')
  t.strictSame(
    [...log.lines],
    ['warn: server lists 3 tools that are not objects with a name: they are left out']
  )
})
