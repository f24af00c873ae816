// Why a step of a conversation may fail. A failure without a reason here fails the check.

import type { Failure, Way } from './ways.ts'

export interface Reason {
  /** For the list under the tables. */
  text: string
  covers(about: About): boolean
}

/** A failure, and where it was. */
interface About extends Failure {
  /** The name of the SDK whose client it was. */
  client: string
  way: Way
}

const questions = ['sampling', 'elicitation', 'roots']

const isShared = ({ title }: Way): boolean => ['`--shared`', '`--stateless`'].includes(title)

const isSse = ({ title }: Way): boolean => title.includes('/sse')

export const noModern = 'The SDK does not speak 2026-07-28.'

export const reasons: Reason[] = [
  {
    text:
      'Several clients share the server, so it cannot ask one of them. The proxy opens its session ' +
      'without these capabilities and refuses its requests: “a shared server cannot send requests ' +
      'to its clients”.',
    covers: ({ way, step, error }) =>
      isShared(way) &&
      questions.includes(step) &&
      /shared server|capabilit|does not support|method not found/i.test(error)
  },
  {
    text: 'The client has no session, so it has no stream for the changes.',
    covers: ({ way, step }) => way.title === '`--stateless`' && step === 'changes'
  },
  {
    text: 'The SDK has no client for HTTP+SSE.',
    covers: ({ client, way, error }) =>
      isSse(way) && client === 'rust' && /no client|nothing printed/.test(error)
  },
  {
    text: 'The SDK’s client for HTTP+SSE does not answer requests of the server.',
    covers: ({ client, way, step, error }) =>
      isSse(way) && client === 'mcp-go' && questions.includes(step) && error === 'timeout'
  },
  {
    text: 'The server of FastMCP does not know `subscriptions/listen`: “Method not found”.',
    covers: ({ server, way, step, error }) =>
      way.era === 'modern' &&
      step === 'changes' &&
      server === 'fastmcp' &&
      /method not found|no notification/i.test(error)
  },
  {
    text:
      'The client of the Go SDK does not take the server’s question for roots, which has no ' +
      '`params`: “unexpected end of JSON input”.',
    covers: ({ client, step, error }) =>
      client === 'go' && step === 'roots' && error.includes('unexpected end of JSON input')
  }
]
