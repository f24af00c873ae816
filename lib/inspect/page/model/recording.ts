// Writes entries as a recording: the format of --record, so `mcp-proxy inspect` and the player read it.

import type { AnyEntry, MessageEntry, Session } from '../../entries.ts'

/** Whether the page has the whole message. A part of one would not be a line of a recording. */
const isWhole = (entry: AnyEntry): entry is MessageEntry => entry.type === 'message' && !entry.cut

/**
 * Returns the lines, and how many messages are left out because the page has only a part of them.
 *
 * @param sessionOf returns what is known about the session with a number
 */
export function toRecording(
  entries: AnyEntry[],
  sessionOf: (session: number) => Session | undefined
): { lines: string[]; left: number } {
  const whole = entries.filter(isWhole)
  const lines = whole.map(({ time, from, session, text }) => {
    const known = sessionOf(session)
    // The ids in a recording differ. Here they are only the first characters.
    const name = known?.kind === 'recorded' ? known.id : `${known?.id ?? ''}-${session}`
    return `${JSON.stringify({ time: new Date(time).toISOString(), from, session: name, frame: text })}\n`
  })
  const left = entries.filter(({ type }) => type === 'message').length - whole.length
  return { lines, left }
}
