// The revisions of MCP: those whose sessions open with `initialize`, the legacy era, and the modern one.

/** Oldest first. */
export const legacyVersions = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'] as const

export type LegacyVersion = (typeof legacyVersions)[number]

export const latestLegacy = '2025-11-25' satisfies LegacyVersion

/** The revision that has no handshake, and no sessions. */
export const modernVersion = '2026-07-28'

/** Whether what a message or a header names is a revision without sessions. Nothing names none. */
export function isModernVersion(version: string | undefined): version is string {
  return version !== undefined && !isLegacyVersion(version)
}

export function isLegacyVersion(version: string): version is LegacyVersion {
  return (legacyVersions as readonly string[]).includes(version)
}
