import { choiceOf } from '../arguments/values.ts'
import type { EraSetting, TranslateSetting } from '../../config/config.ts'
import type { Flags } from './flag.ts'

const eras: EraSetting[] = ['auto', 'legacy', 'modern']
const translations: TranslateSetting[] = ['auto', 'off']

/** The flags about the revisions of clients and servers. */
export const eraFlags = {
  era: {
    shape: 'value',
    kind: choiceOf('ERA', eras),
    default: 'auto',
    sets: 'era',
    help: 'what the servers speak: `legacy` (revisions up to 2025-11-25, which open with `initialize`), `modern` (2026-07-28), or `auto`: the proxy finds it out'
  },
  translate: {
    shape: 'value',
    kind: choiceOf('WHEN', translations),
    default: 'auto',
    sets: 'translate',
    help: '`auto`: the proxy translates if the client and the server are of different eras; `off`: a server serves only clients of its own era, and other clients get an error'
  }
} as const satisfies Flags
