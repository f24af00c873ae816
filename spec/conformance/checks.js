// A scenario of the suite is a list of checks, each with a status. These functions find the checks that
// fail, and the checks that a proxy loses.

/** Checks that a proxy may lose: id → reason. */
const expectedLosses = new Map([
  [
    'server-sse-disconnect-resume',
    'The server closes the stream of a running call, and stdio has no stream to close.'
  ],
  [
    'server-sse-streams-functional',
    'The proxy sends a response that comes at once as JSON. The check calls event streams optional.'
  ]
])

/**
 * What cannot pass on a translated route, because the server's revisions have no words for it: revision →
 * scenario → reason.
 */
export const untranslatable = {
  '2025-11-25': {},
  '2026-07-28': {
    'server-stateless':
      'A legacy server answers a missing client capability with an error of its choice (2025-11-25, Elicitation, Error Handling), so -32021 cannot be told from another error.',
    'input-required-result-basic-elicitation':
      'The suite asks for the name that the server gave to its question. A legacy server sends requests, which have ids and no names (2025-11-25, Elicitation).',
    'input-required-result-ignore-extra-params':
      'The suite answers under the name that the server gave to its question. A legacy server has no such names (2025-11-25, Elicitation).'
  }
}

/** Whether the route leads to a server of the other era. */
export const isTranslated = (route) => route.endsWith('translated')

export const passing = (checks = []) => checks.filter(({ status }) => status === 'SUCCESS')

/** Returns the checks with one of the statuses. A scenario that did not run has one failing check. */
export function failing(checks = [didNotRun], statuses = ['FAILURE']) {
  return checks.filter(({ status }) => statuses.includes(status))
}

/**
 * Returns the checks that pass directly, but not through a proxy, as { check, now, reason }. `now` is
 * the check through the proxy; `reason` is set if the loss is expected.
 */
export function lost(direct, throughProxy = []) {
  const rest = [...throughProxy]
  const losses = []
  for (const check of passing(direct)) {
    // Several checks can have the same id and name: their order is the same in each run.
    const index = rest.findIndex(({ id, name }) => id === check.id && name === check.name)
    const [now] = index === -1 ? [] : rest.splice(index, 1)
    if (now?.status !== 'SUCCESS') {
      losses.push({ check, now, reason: expectedLosses.get(check.id) })
    }
  }
  return losses
}

const didNotRun = { id: 'scenario', status: 'FAILURE', description: 'The scenario did not run' }
