// The revisions of MCP. In a legacy revision a session begins with `initialize`. The modern
// revision has no `initialize` and no sessions.

/** The legacy revisions, from the oldest to the newest. */
export const legacyVersions = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'] as const

export type LegacyVersion = (typeof legacyVersions)[number]

export const latestLegacy = '2025-11-25' satisfies LegacyVersion

export const modernVersion = '2026-07-28'

/** The only revision with JSON-RPC batches. */
export const batchVersion = '2025-03-26' satisfies LegacyVersion

/**
 * The first revision whose clients accept an event without data. Such an event gives the client an
 * event id, with which the client can resume the stream.
 */
export const primingVersion = '2025-11-25' satisfies LegacyVersion

/** Whether `version` is a revision without sessions. False for `undefined`. */
export function isModernVersion(version: string | undefined): version is string {
  return version !== undefined && !isLegacyVersion(version)
}

/** Whether `version` is a revision that this package knows. */
export const isKnownVersion = (version: string): boolean =>
  version === modernVersion || isLegacyVersion(version)

export function isLegacyVersion(version: string): version is LegacyVersion {
  return (legacyVersions as readonly string[]).includes(version)
}
