import type { Flags } from './flag.ts'

export const generalFlags = {
  help: { shape: 'act', short: '-h', reference: true, help: 'print this text and exit' },
  version: { shape: 'act', reference: true, help: 'print the version and exit' },
  check: {
    shape: 'switch',
    help: 'check the command line, the config file, and the commands and files that they name; report every fault on stderr and exit with 2, or with 0 if there is none; nothing is started'
  }
} as const satisfies Flags
