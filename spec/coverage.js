// What coverage is about: all of the library, whichever test runs it, and nothing else. Types alone
// leave nothing to run.

import { readdirSync } from 'node:fs'

export const files = readdirSync(new URL('../lib', import.meta.url), { recursive: true })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
  .map((file) => `lib/${file.replaceAll('\\', '/')}`)
  .sort()

export default () => files
