// What one client of a soak does: a session with calls, questions, subscriptions, cancellations and
// deaths of its server, all chosen by a seeded random generator.

import { setTimeout as sleep } from 'node:timers/promises'
import { callBound } from './account.js'

/** Opens a session, uses it, and ends it or vanishes. */
export async function session(soak, way, random) {
  const { account } = soak
  const { name, can, isRemote, isLongLived } = way
  const calls = []
  let client
  try {
    client = await way.open()
  } catch (error) {
    // An error is an answer, also to the opening. A server that keeps dying ends its sessions.
    soak.refused.set(name, `${error.message}`)
    await sleep(200)
    return
  }
  const byNumber = new Map()
  client.onRequest = ({ params }) => {
    const call = byNumber.get(Number(params.message))
    if (call) call.asked++
    return { action: 'accept', content: { n: params.message } }
  }

  const send = (args) => {
    const call = account.begin(name, args)
    const generation = soak.generation
    byNumber.set(call.n, call)
    calls.push(call)
    void client.call(call).then(() => {
      if (isRemote) call.excused = generation !== soak.generation
    })
    return call
  }
  const end = (some) =>
    Promise.race([
      Promise.all(some.map(({ settled }) => settled)),
      sleep(callBound, undefined, { ref: false })
    ])

  const steps = {
    call: () => end([send({})]),
    slow: () => end([send({ delay: random.integer(100) })]),
    burst: () =>
      end(Array.from({ length: 2 + random.integer(8) }, () => send({ delay: random.integer(30) }))),
    progress: () => end([send({ delay: 20, progress: 1 + random.integer(5) })]),
    large: () => end([send({ size: random.integer(200_000) })]),
    ask: () => can.ask && end([send({ ask: true })]),
    cancel: async () => {
      const call = send({ delay: 300 })
      await sleep(random.integer(100))
      if (call.ended) return
      call.abandon()
      client.cancel(call)
    },
    update: () => can.update && update(),
    die: () =>
      can.die &&
      random.chance(0.3) &&
      end([send({ delay: 20 }), send({ fault: random.pick(deaths) })])
  }

  /** Subscribes, lets the server update the resource, and counts the notifications. */
  async function update() {
    let got = 0
    const uri = `test://${name}/${random.integer(1e9)}`
    client.onNotification = ({ method, params }) => {
      if (method !== 'notifications/resources/updated') return
      if (params.uri === uri) got++
      else account.fault('lost', `an update of ${params.uri} reached another client`)
    }
    await client.request('resources/subscribe', { uri })
    const call = send({ update: uri, delay: 20 })
    await end([call])
    await sleep(100)
    account.updates += got
    if (got > 1) account.fault('duplicated', `call ${call.n} over ${name}: ${got} updates`)
    if (got === 0 && call.delivered) account.fault('lost', `call ${call.n} over ${name}: no update`)
  }

  const count = 1 + random.integer(isLongLived ? 30 : 12)
  for (let step = 0; step < count && !soak.stopping; step++) {
    try {
      await steps[random.pick(Object.keys(steps))]()
    } catch (error) {
      soak.refused.set(name, error.message)
    }
    if (random.chance(0.2)) await sleep(random.integer(50))
  }
  if (!isLongLived) {
    if (can.vanish && random.chance(0.2)) {
      const left = [send({ delay: 200 }), send({ delay: 200, progress: 2 })]
      await sleep(random.integer(150))
      for (const call of left) if (!call.ended) call.abandon()
      client.vanish()
    } else await client.close()
  }
  if (client.strays > 0) {
    account.fault(
      'duplicated',
      `${client.strays} responses to no request over ${name}: ${client.lastStray}`
    )
    client.strays = 0
  }
  account.close(calls)
}

const deaths = ['killedBefore', 'killedDuring', 'exitsZero', 'closesStdout']
