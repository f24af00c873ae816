// tap's coverage map: every test counts for every file of lib, and for no other file. Declaration files
// hold no code, so they are left out.
//
// The view of the traffic page is left out too: it runs only in a browser, where tap does not measure it.
// `spec/inspect/browser.js` tests it there. So its coverage is not known, and what needs no browser must
// be in lib/inspect/page/model.

import { readdirSync } from 'node:fs'

export const files = readdirSync(new URL('../lib', import.meta.url), { recursive: true })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
  .map((file) => `lib/${file.replaceAll('\\', '/')}`)
  .filter((file) => !file.startsWith('lib/inspect/page/view/'))
  .sort()

export default () => files
