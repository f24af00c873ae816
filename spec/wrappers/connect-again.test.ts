// How a server is connected to again, and its session restored.

import { once } from 'node:events'
import t from 'tap'
import type { SessionState } from '../../lib/conversation/session-state.ts'
import { ProxyError } from '../../lib/errors.ts'
import { connectAgain } from '../../lib/wrappers/connect-again.ts'
import type { OpeningRequest, Translator } from '../../lib/wrappers/opening.ts'
import { reconnect } from '../../lib/wrappers/reconnect.ts'
import { request, until } from '../helpers.ts'
import { TextServer } from './text-server.ts'

t.test('a translation takes over the server that refused, unless it has ended', async (t) => {
  for (const ends of [false, true]) {
    const first = new TextServer()
    const next = new TextServer()
    const openings: OpeningRequest[] = []
    let isFirst = true
    const state = {
      frames: [request(1, 'initialize')],
      restore: (server: TextServer) => {
        if (!isFirst) return Promise.resolve()
        isFirst = false
        if (ends) server.destroy()
        return Promise.reject(new ProxyError('ERR_SERVER_START', 'the server refused'))
      }
    } as unknown as SessionState
    const translator: Translator = {
      actionFor: () => 'ignore',
      translate: (opening) => {
        openings.push(opening)
        return Promise.resolve(next)
      }
    }
    const outcome = await connectAgain({
      connect: () => first,
      translator,
      state,
      isQueued: () => false,
      onServer: () => {},
      timeout: 1000
    })
    t.equal(outcome, next)
    t.equal(openings[0]?.server, ends ? undefined : first)
  }
})

t.test('a server that is made for a transport that has closed is destroyed', async (t) => {
  const servers: TextServer[] = []
  const late = new TextServer()
  let goOn: (() => void) | undefined
  const translator: Translator = {
    actionFor: () => 'ignore',
    translate: () => Promise.resolve(undefined),
    prepare: () => new Promise((resolve) => (goOn = () => resolve(late)))
  }
  const connect = (): TextServer => {
    const server = new TextServer()
    servers.push(server)
    return server
  }
  const transport = reconnect(connect, { translator }).on('error', () => {})
  transport.write(request(1, 'ping'))
  const [first] = servers as [TextServer]
  await first.got('ping')
  first.say({ id: 1, result: {} })
  transport.resume()
  await once(transport, 'data')
  first.destroy(new ProxyError('ERR_SERVER_EXITED', 'gone'))
  await until(() => goOn !== undefined)
  transport.destroy()
  const closed = once(late, 'close')
  goOn?.()
  await closed
  t.ok(late.destroyed)
})
