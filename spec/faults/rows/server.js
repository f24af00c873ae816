// Faults of a stdio server. Four calls are in flight when a fifth makes the fault happen; afterwards
// the session must go on.

const noProcess = ({ hasStdio }) => (hasStdio ? undefined : 'the server is not a process')

/** A row whose fault is an argument of a call. */
const row = (title, fault, { args = {}, ...options } = {}) => ({
  title,
  dash: noProcess,
  ...options,
  async run(cell) {
    const client = await cell.client()
    const others = Array.from({ length: 4 }, () => ({ delay: 300 }))
    await cell.calls(client, ...others, { fault, ...args })
    await cell.recovers(client)
  }
})

const MiB = 1 << 20

export const serverRows = {
  'killed-before': row('server killed before its answer', 'killedBefore'),
  'killed-during': row('server killed in half an answer', 'killedDuring'),
  'killed-after': row('server killed after its answer', 'killedAfter'),
  'exits-zero': row('server exits with 0 in a call', 'exitsZero'),
  'closes-stdout': row('server closes its stdout and lives', 'closesStdout'),
  'stops-reading': row('server stops reading for 2 s', 'stopsReading'),
  'floods-stdout': row('server floods stdout with 16 MB', 'floodsStdout', {
    args: { bytes: 16 * MiB }
  }),
  'floods-stderr': row('server floods stderr with 16 MB', 'floodsStderr', {
    args: { bytes: 16 * MiB }
  }),
  noise: row('noise on stdout', 'noise'),
  'half-line': row('half an answer, then 2 s of silence', 'halfThenSilence'),
  'too-long': row('an answer over the limit', 'tooLong'),
  utf8: row('an answer that is not UTF-8', 'invalidUtf8'),
  nan: row('an answer with `NaN`', 'nan'),
  'not-rpc': row('an answer that is not JSON-RPC', 'notJsonRpc'),
  'unknown-id': row('an answer with an unknown id', 'unknownId'),
  twice: row('an answer twice', 'twice'),
  grandchild: row('a grandchild holds the pipes', 'grandchild')
}
