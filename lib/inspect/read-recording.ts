// Reads a recording into the entries of the traffic page.

import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { ProxyError } from '../errors.ts'
import { isObject } from '../json/is-object.ts'
import type { Frame } from '../message/frame.ts'
import { parseFrame } from '../message/parse-frame.ts'
import type { Client, Traffic } from './traffic.ts'

/** The longest name of a session that the page shows. */
const maxName = 100

/** How many lines of a recording are shown, and how many are not lines of a recording. */
export interface LineCounts {
  read: number
  invalid: number
}

/**
 * Reads a whole recording. If it is larger than what the page can show, the last part counts.
 *
 * @throws ProxyError `ERR_CONFIG` if the file cannot be read
 */
export async function readRecording(file: string, traffic: Traffic): Promise<LineCounts> {
  const clients = new Map<string, Client>()
  const counts = { read: 0, invalid: 0 }
  const input = createReadStream(file)
  const lines = createInterface({ input, crlfDelay: Infinity })
  try {
    for await (const line of lines) {
      const recorded = parseLine(line)
      if (recorded === undefined) {
        if (line.trim() !== '') counts.invalid++
        continue
      }
      const { session, time, from, frame } = recorded
      let client = clients.get(session)
      if (client === undefined) {
        client = { kind: 'recorded', server: '', session: session.slice(0, maxName) }
        clients.set(session, client)
      }
      traffic.onMessage(client, { from, frame, delivered: true }, time)
      counts.read++
    }
  } catch (cause) {
    throw new ProxyError('ERR_CONFIG', `cannot read the recording ${file}`, { cause })
  }
  return counts
}

interface Line {
  time: number
  from: 'client' | 'server'
  session: string
  frame: Frame
}

/** Returns undefined if the text is not a line of a recording. */
function parseLine(text: string): Line | undefined {
  try {
    const line: unknown = JSON.parse(text)
    if (!isObject(line)) return undefined
    const { from, session, frame } = line
    const time = Date.parse(String(line.time))
    if ((from !== 'client' && from !== 'server') || typeof session !== 'string') return undefined
    if (typeof frame !== 'string' || Number.isNaN(time)) return undefined
    return { time, from, session, frame: parseFrame(Buffer.from(frame)) }
  } catch {
    return undefined
  }
}
