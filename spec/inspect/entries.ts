// Entries of the traffic page, for the tests.

import type { MessageEntry, Session } from '../../lib/inspect/entries.ts'

/** A request of a client, with other members as given. */
export const entry = (members: Partial<MessageEntry> = {}): MessageEntry => ({
  seq: 0,
  time: 0,
  type: 'message',
  session: 1,
  from: 'client',
  kind: 'request',
  method: 'ping',
  size: 40,
  text: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  ...members
})

export const session = (members: Partial<Session> = {}): Session => ({
  session: 1,
  kind: 'session',
  id: 'abcdefgh',
  server: '',
  ...members
})
