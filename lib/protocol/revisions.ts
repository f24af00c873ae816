// The revisions of MCP. Sessions of the legacy ones open with `initialize`. The modern one has neither
// a handshake nor sessions.

/** Oldest first. */
export const legacyVersions = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'] as const

export type LegacyVersion = (typeof legacyVersions)[number]

export const latestLegacy = '2025-11-25' satisfies LegacyVersion

export const modernVersion = '2026-07-28'

/** The only revision with JSON-RPC batches. */
export const batchVersion = '2025-03-26' satisfies LegacyVersion

/** The first revision whose clients accept an event without data, which gives them an id to resume. */
export const primingVersion = '2025-11-25' satisfies LegacyVersion

/** Whether a message or header names a revision without sessions. `undefined` names none. */
export function isModernVersion(version: string | undefined): version is string {
  return version !== undefined && !isLegacyVersion(version)
}

export function isLegacyVersion(version: string): version is LegacyVersion {
  return (legacyVersions as readonly string[]).includes(version)
}
