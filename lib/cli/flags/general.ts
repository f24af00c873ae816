import type { Flags } from './flag.ts'

export const generalFlags = {
  help: { shape: 'act', short: '-h', reference: true, help: 'print this text and exit' },
  version: { shape: 'act', reference: true, help: 'print the version and exit' }
} as const satisfies Flags
