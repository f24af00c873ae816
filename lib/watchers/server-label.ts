// What a server is called where operators look: in the metrics, the audit log, `/status` and the log.

/** Returns the label of a server by its name. */
export type ServerLabel = (server: string) => string

/** A server has its name as its label, and the default server has `default`. */
export const defaultLabel: ServerLabel = (server) => server || 'default'
