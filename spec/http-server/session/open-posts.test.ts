// The POSTs of a session whose requests have no response yet.

import { test } from 'tap'
import { OpenPosts } from '../../../lib/http-server/session/open-posts.ts'
import type { PostResponse } from '../../../lib/http-server/post-response.ts'
import { Link } from '../../../lib/streams/latest-set.ts'
import { json, serve } from '../helpers.ts'

/** What `OpenPosts` reads of a `PostResponse`. */
interface FakePost {
  ids: number[]
  tokens: (number | string)[]
  streams: boolean
  connected: boolean
  ended: boolean
}

class FakeLink extends Link {}

function fake(id: number, options: Partial<FakePost> & { token?: number | string } = {}) {
  const { token, ...rest } = options
  const tokens = token === undefined ? [] : [token]
  const post: FakePost = Object.assign(new FakeLink(), {
    ids: [id],
    tokens,
    streams: true,
    connected: true,
    ended: false,
    ...rest
  })
  return { post, real: post as unknown as PostResponse }
}

test('a message goes to the only connected POST, or else to the latest', async (t) => {
  const posts = new OpenPosts()
  t.equal(posts.latest, undefined)
  const [one, two, three] = [fake(1), fake(2), fake(3, { connected: false })]
  posts.add(one.real)
  t.equal(posts.only, one.real)
  posts.add(two.real)
  posts.add(three.real)
  t.equal(posts.only, undefined)
  t.equal(posts.latest, two.real, 'which is connected')
  two.post.connected = false
  posts.update(two.real)
  t.equal(posts.only, one.real)
  one.post.connected = false
  posts.update(one.real)
  t.equal(posts.latest, one.real, 'the POST that lost its client last')
  t.notOk(posts.isAwaited)
  two.post.connected = true
  posts.update(two.real)
  t.equal(posts.latest, two.real)
  t.ok(posts.isAwaited)
  for (const { real } of [one, two, three]) posts.delete(real)
  t.equal(posts.latest, undefined)
  t.equal(posts.size, 0)
})

test('a POST that takes only JSON carries no other message', async (t) => {
  const posts = new OpenPosts()
  const { real } = fake(1, { streams: false, token: 'a' })
  posts.add(real)
  t.equal(posts.latest, undefined)
  t.equal(posts.withToken('a'), undefined)
  t.ok(posts.isAwaited)
  const gone = fake(2, { streams: false, connected: false })
  posts.add(gone.real)
  posts.add(fake(3, { connected: false, ended: true }).real)
  const ended = fake(4)
  posts.add(ended.real)
  ended.post.ended = true
  posts.update(ended.real)
  t.equal(posts.latest, undefined)
})

test('progress belongs to the latest POST whose request has the token', async (t) => {
  const posts = new OpenPosts()
  const [one, two] = [fake(1, { token: 'a' }), fake(2, { token: 'a' })]
  posts.add(one.real)
  t.equal(posts.withToken('a'), one.real)
  posts.add(two.real)
  t.equal(posts.withToken('a'), two.real)
  posts.delete(one.real)
  t.equal(posts.withToken('a'), two.real)
  posts.delete(two.real)
  t.equal(posts.withToken('a'), undefined)
})

test('a request is forgotten when its response has come', async (t) => {
  const posts = new OpenPosts()
  const { real } = fake(1)
  posts.add(real)
  t.equal(posts.withId(1), real)
  posts.forget(1)
  t.equal(posts.withId(1), undefined)
  t.strictSame(posts.ids, [])
  posts.add(fake(1).real)
  posts.delete(real)
  t.equal(posts.size, 1, 'a later request with the same id stays')
})

test('the time for a message does not grow with the number of calls in flight', async (t) => {
  const { session } = await serve(t)
  const cost = async (calls: number): Promise<number> => {
    const { client, server } = await session()
    const get = await client.openGet()
    const batch = 50
    for (let id = 0; id < calls; id += batch) {
      const open = Array.from({ length: batch }, (_, n) => json({ id: id + n, method: 'hang' }))
      for (const body of open) client.post(body).catch(() => {})
      await server.got('hang', id + batch - 1)
    }
    const count = 2000
    const began = process.cpuUsage()
    for (let n = 0; n < count; n++) {
      await server.notify('notifications/message', { n })
      await server.notify('notifications/progress', { progressToken: 'unknown', progress: n })
    }
    await get.events.until(() => get.events.length >= count)
    const { user, system } = process.cpuUsage(began)
    client.close()
    return (user + system) / 1000
  }
  await cost(50)
  const [few, many] = [await cost(50), await cost(2000)]
  t.comment(`${Math.round(few)} ms with 50 calls, ${Math.round(many)} ms with 2000`)
  t.ok(many < 4 * few + 200, 'the CPU time is about the same')
})
