// The connections to the listener, and how long they may be idle.

import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { countTimers, rawConnection, serve } from './helpers.ts'

const get = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'

test('one that has been idle for too long is closed, and not before', async (t) => {
  const { listener } = await serve(t, { idleTimeout: 200 })
  const { socket, text } = rawConnection(t, listener)
  const start = Date.now()
  for (let n = 0; n < 3; n++) {
    socket.write(get)
    await text.until(new RegExp(`(HTTP[^]*){${n + 1}}`))
    await delay(100)
    t.notOk(socket.destroyed, 'each request puts it off')
  }
  await text.ended
  t.ok(Date.now() - start >= 400)
})

test('one on which a request waits for its answer is not idle', async (t) => {
  const { client } = await serve(t, { idleTimeout: 20 })
  const raw = client()
  await raw.initialize()
  const stream = await raw.open('GET')
  await delay(200)
  t.notOk(stream.destroyed)
  stream.destroy()
})

test('they may be idle for ever', async (t) => {
  const before = countTimers()
  const { listener } = await serve(t, { idleTimeout: 0 })
  t.equal(countTimers(), before)
  const { socket, text } = rawConnection(t, listener)
  socket.write(get)
  await text.until('HTTP')
  await delay(100)
  t.notOk(socket.destroyed)
})
