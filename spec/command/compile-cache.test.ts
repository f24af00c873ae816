// Where the command keeps compiled code: Node executes it, so nobody else may be able to write it.

import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, statSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../..', import.meta.url))
const isPosix = process.platform !== 'win32'

/** The directory that the command asks for, started with these variables. */
function cacheWith(env: NodeJS.ProcessEnv): string | undefined {
  const preload = path.join(root, 'fixtures/compile-cache.cjs')
  const args = ['--require', preload, path.join(root, 'bin/mcp-proxy.js'), '--version']
  const { stderr, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  if (!stdout.startsWith('mcp-proxy ')) throw new Error(`it did not start: ${stderr}`)
  return /^compile cache: (.*)$/m.exec(stderr)?.[1]
}

t.test('the cache is a private directory under XDG_CACHE_HOME', async (t) => {
  const home = t.testdir()
  const directory = path.join(home, 'new', 'mcp-duplex')
  t.equal(cacheWith({ XDG_CACHE_HOME: path.join(home, 'new') }), directory)
  if (isPosix) t.equal(statSync(directory).mode & 0o777, 0o700)
})

t.test('without XDG_CACHE_HOME it is under the home directory', async (t) => {
  const home = t.testdir()
  const expected = { darwin: 'Library/Caches', win32: '' }[process.platform as string] ?? '.cache'
  const env = { HOME: home, LOCALAPPDATA: home }
  t.equal(cacheWith(env), path.join(home, expected, 'mcp-duplex'))
})

t.test('a directory that others could have written is not used', async (t) => {
  const home = t.testdir({ elsewhere: {} })
  const directory = path.join(home, 'mcp-duplex')
  if (isPosix) {
    mkdirSync(directory)
    for (const mode of [0o777, 0o720, 0o755]) {
      chmodSync(directory, mode)
      t.equal(cacheWith({ XDG_CACHE_HOME: home }), undefined, mode.toString(8))
    }
  }
  const linked = path.join(home, 'elsewhere')
  symlinkSync(linked, path.join(linked, 'mcp-duplex'), 'dir')
  t.equal(cacheWith({ XDG_CACHE_HOME: linked }), undefined, 'nor is a symbolic link')
})

t.test('where no directory can be made there is no cache', async (t) => {
  const file = path.join(t.testdir({ file: '' }), 'file')
  for (const value of [file, 'relative/path']) {
    t.equal(cacheWith({ XDG_CACHE_HOME: value }), undefined, value)
  }
})
