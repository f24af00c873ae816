// Responses of the proxy to a server that does not read them.

import t from 'tap'
import { sendResponse } from '../../lib/streams/send-response.ts'
import { response } from '../helpers.ts'
import { TextServer, turn } from '../wrappers/text-server.ts'

t.test('a server that does not read a response is not read until it does', async (t) => {
  const server = new TextServer()
  server.resume()
  sendResponse(server, response(1))
  t.notOk(server.isPaused(), 'a server that reads')
  server.stop()
  while (!server.writableNeedDrain) sendResponse(server, response(2))
  t.ok(server.isPaused())
  sendResponse(server, response(3))
  t.equal(server.listenerCount('drain'), 1)
  server.goOn()
  await turn()
  t.notOk(server.isPaused())
})
