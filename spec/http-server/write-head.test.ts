// The head of an HTTP response.

import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'tap'

test('no file but write-head.ts calls the function of Node', async (t) => {
  const folder = new URL('../../lib/http-server/', import.meta.url)
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const callers = files.filter(
    (file) =>
      file.endsWith('.ts') && readFileSync(new URL(file, folder), 'utf8').includes('.writeHead(')
  )
  t.strictSame(callers, ['write-head.ts'])
})
