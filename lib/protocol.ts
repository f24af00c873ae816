// The revisions of MCP whose sessions open with `initialize`: the legacy era.

/** Oldest first. */
export const legacyVersions = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'] as const

export type LegacyVersion = (typeof legacyVersions)[number]

export const latestLegacy = '2025-11-25' satisfies LegacyVersion

export function isLegacyVersion(version: string): version is LegacyVersion {
  return (legacyVersions as readonly string[]).includes(version)
}
