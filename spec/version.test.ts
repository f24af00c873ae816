// The version that the program tells.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { version } from '../lib/version.ts'

t.test('it is that of the package', async (t) => {
  const file = new URL('../package.json', import.meta.url)
  t.equal(version, (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version)
})
