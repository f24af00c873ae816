// The table of advisories in SECURITY.md, and the tests that it promises.

import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

t.test('each advisory of the table has a test, and each test is in the table', async (t) => {
  const [, table = ''] = read('../../SECURITY.md').split('## Known attacks on MCP software')
  const listed = [...table.matchAll(/^\| (CVE-\S+|GHSA-\S+|shell) /gm)].map(([, id]) => id)
  const files = readdirSync(new URL('.', import.meta.url)).filter(
    (file) => file !== 'table.test.ts'
  )
  const tested = files.flatMap((file) =>
    // The name of a test, or the key of an attack in a list that makes a test of each.
    [...read(file).matchAll(/'(CVE-[\d-]+|GHSA(?:-\w{4}){3}|shell)(?:: |':)/g)].map(([, id]) => id)
  )
  t.strictSame([...new Set(tested)].sort(), listed.sort())
})
