// The answers that are owed.

import t from 'tap'
import { PendingRequests } from '../../lib/message/pending-requests.ts'
import { notification, request, response } from '../helpers.ts'

t.test('a request is owed an answer until it comes', async (t) => {
  const owed = new PendingRequests()
  owed.sent(request(1, 'm'))
  owed.sent(request('1', 'm'))
  t.strictSame(owed.ids, [1, '1'], 'a number and a string are two ids')
  t.ok(owed.has(1))
  t.ok(owed.answered(response(1)))
  t.notOk(owed.has(1))
  t.notOk(owed.answered(response(1)), 'an answer comes once')
  t.equal(owed.size, 1)
})

t.test('notifications and responses are owed nothing, and answer nothing', async (t) => {
  const owed = new PendingRequests()
  owed.sent(notification('m'))
  owed.sent(response(1))
  t.equal(owed.size, 0)
  owed.sent(request(1, 'm'))
  t.notOk(owed.answered(request(1, 'm')))
  t.notOk(owed.answered(notification('m')))
  t.notOk(owed.answered(response(2)))
  t.equal(owed.size, 1)
})

t.test('what is cancelled is owed no longer', async (t) => {
  const owed = new PendingRequests()
  owed.sent(request(1, 'm'))
  owed.sent(request(2, 'm'))
  owed.sent(notification('notifications/cancelled', { requestId: 1 }))
  owed.sent(notification('notifications/cancelled', { requestId: 'unknown' }))
  owed.sent(notification('notifications/cancelled'))
  t.strictSame(owed.ids, [2])
})

t.test('what was never sent can be forgotten', async (t) => {
  const owed = new PendingRequests()
  owed.sent(request(1, 'm'))
  owed.forget(1)
  t.equal(owed.size, 0)
})

t.test('it is told once that nothing is owed', async (t) => {
  const owed = new PendingRequests()
  let told = 0
  owed.whenSettled(() => told++)
  t.equal(told, 1, 'at once if so already')
  owed.sent(request(1, 'm'))
  owed.sent(request(2, 'm'))
  owed.whenSettled(() => told++)
  owed.answered(response(1))
  t.equal(told, 1)
  owed.answered(response(2))
  t.equal(told, 2)
  owed.sent(request(3, 'm'))
  owed.answered(response(3))
  t.equal(told, 2)
})

t.test('all can be taken at once, and then nothing is owed', async (t) => {
  const owed = new PendingRequests()
  owed.sent(request(1, 'm'))
  owed.sent(request(2, 'm'))
  let told = 0
  owed.whenSettled(() => told++)
  t.strictSame(owed.take(), [1, 2])
  t.equal(told, 1)
  t.equal(owed.size, 0)
})
