// Why a step of a conversation may fail. A failure without a reason here fails the check.

import type { Peer } from './peers.ts'
import type { Way } from './ways.ts'

export interface Reason {
  /** For the list under the table. */
  text: string
  covers(failure: Failure): boolean
}

export interface Failure {
  peer: Peer
  way: Way
  step: string
  error: string
}

const questions = ['sampling', 'elicitation', 'roots']

const sharing = ['`--shared`', '`--stateless`']

const isSse = ({ title }: Way): boolean => title.includes('/sse')

export const noModern = 'The SDK does not speak 2026-07-28.'

export const reasons: Reason[] = [
  {
    text:
      'Several clients share the server, so it cannot ask one of them. The proxy opens its session ' +
      'without these capabilities and refuses its requests: “a shared server cannot send requests ' +
      'to its clients”.',
    covers: ({ way, step, error }) =>
      sharing.includes(way.title) &&
      questions.includes(step) &&
      /shared server|capabilit|does not support|method not found/i.test(error)
  },
  {
    text: 'The client has no session, so it has no stream for the changes.',
    covers: ({ way, step }) => way.title === '`--stateless`' && step === 'changes'
  },
  {
    text: 'The SDK has no client for HTTP+SSE.',
    covers: ({ peer, way, error }) =>
      isSse(way) && peer.title.includes('Rust') && /no client|nothing printed/.test(error)
  },
  {
    text: 'The SDK’s client for HTTP+SSE does not answer requests of the server.',
    covers: ({ peer, way, step, error }) =>
      isSse(way) && peer.title.includes('mcp-go') && questions.includes(step) && error === 'timeout'
  },
  {
    text:
      'The SDK’s client resolves the path of the messages against the host, so it loses ' +
      '`/servers/NAME`: “there is nothing at "/messages/"”.',
    covers: ({ peer, way, error }) =>
      way.title === 'named `/sse`' &&
      peer.title.includes('Java') &&
      error.includes('there is nothing at')
  },
  {
    text: 'The SDK’s server does not know `subscriptions/listen`: “Method not found”.',
    covers: ({ peer, way, step, error }) =>
      way.era === 'modern' &&
      step === 'changes' &&
      peer.title.includes('FastMCP') &&
      error.includes('Method not found')
  },
  {
    text:
      'The SDK’s server keeps one subscription for each connection. On stdio all clients of the ' +
      'proxy share the connection, and the proxy subscribes too.',
    covers: ({ peer, way, step, error }) =>
      way.title === '2026-07-28, `/mcp`' &&
      step === 'changes' &&
      peer.title.includes('Go SDK') &&
      error === 'no notification'
  },
  {
    text: 'On stdio, the SDK’s server sends changes without the id of the subscription.',
    covers: ({ peer, way, step, error }) =>
      way.title === '2026-07-28, `/mcp`' &&
      step === 'changes' &&
      peer.title.includes('mcp-go') &&
      error === 'no notification'
  }
]
