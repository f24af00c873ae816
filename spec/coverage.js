// tap's coverage map: every test counts for every file of lib, and for no other file. Declaration files
// hold no code, so they are left out.

import { readdirSync } from 'node:fs'

export const files = readdirSync(new URL('../lib', import.meta.url), { recursive: true })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
  .map((file) => `lib/${file.replaceAll('\\', '/')}`)
  .sort()

export default () => files
