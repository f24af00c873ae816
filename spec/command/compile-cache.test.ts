// The compiled code that the command keeps for its next start. V8 executes it, so nobody else may be
// able to write it.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { demo, openShell } from './run.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const isPosix = process.platform !== 'win32'
/** Nothing listens there. The client ends at once, so the command does not connect. */
const url = 'http://127.0.0.1:9/mcp'

/** Runs client mode to its end, and returns its output. */
function run(env: NodeJS.ProcessEnv, args: string[] = [], from = root): string {
  const command = [path.join(from, 'bin/mcp-proxy.js'), url, ...args]
  const options = { env, input: '', encoding: 'utf8' } as const
  const { status, stderr, stdout } = spawnSync(process.execPath, command, options)
  if (status !== 0 || stderr !== '') throw new Error(`exit code ${status}: ${stderr}`)
  return stdout
}

/** Returns the paths of the files with code. */
function codeIn(home: string): string[] {
  const directory = path.join(home, 'mcp-duplex')
  if (!fs.existsSync(directory)) return []
  return fs.readdirSync(directory).map((name) => path.join(directory, name))
}

t.test('the code is in a private directory under XDG_CACHE_HOME', async (t) => {
  const home = path.join(t.testdir(), 'new')
  run({ XDG_CACHE_HOME: home })
  const files = codeIn(home)
  t.equal(files.length, 1)
  const [file = ''] = files
  t.match(path.basename(file), `client-${process.version}-`)
  if (!isPosix) return
  t.equal(fs.statSync(path.dirname(file)).mode & 0o777, 0o700)
  t.equal(fs.statSync(file).mode & 0o777, 0o600)
})

t.test('without XDG_CACHE_HOME it is under the home directory', async (t) => {
  const home = t.testdir()
  const expected = { darwin: 'Library/Caches', win32: '' }[process.platform as string] ?? '.cache'
  run({ HOME: home, LOCALAPPDATA: home })
  t.equal(codeIn(path.join(home, expected)).length, 1)
})

t.test('a directory that others could have written is not used', async (t) => {
  const home = t.testdir({ elsewhere: {} })
  const directory = path.join(home, 'mcp-duplex')
  if (isPosix) {
    fs.mkdirSync(directory)
    for (const mode of [0o777, 0o720, 0o755]) {
      fs.chmodSync(directory, mode)
      run({ XDG_CACHE_HOME: home })
      t.strictSame(codeIn(home), [], mode.toString(8))
    }
  }
  const linked = path.join(home, 'elsewhere')
  fs.symlinkSync(linked, path.join(linked, 'mcp-duplex'), 'dir')
  run({ XDG_CACHE_HOME: linked })
  t.strictSame(fs.readdirSync(linked), ['mcp-duplex'], 'nor is a symbolic link')
})

t.test('where no directory can be made, or the user wants none, there is no code', async (t) => {
  const home = t.testdir({ file: '' })
  for (const value of [path.join(home, 'file'), 'relative/path']) run({ XDG_CACHE_HOME: value })
  run({ XDG_CACHE_HOME: home, NODE_DISABLE_COMPILE_CACHE: '1' })
  t.strictSame(fs.readdirSync(home), ['file'])
})

t.test('the next start reads the code, and replaces what V8 does not accept', async (t) => {
  const home = t.testdir()
  run({ XDG_CACHE_HOME: home })
  const [file = ''] = codeIn(home)
  const code = fs.readFileSync(file)
  const { ino } = fs.statSync(file)
  run({ XDG_CACHE_HOME: home })
  t.equal(fs.statSync(file).ino, ino, 'it stays as it is')

  const damaged = Buffer.from(code)
  damaged.fill(0, code.length / 8, code.length / 4) // V8 does not notice it, and would crash
  for (const broken of [
    Buffer.alloc(0),
    code.subarray(0, code.length / 2),
    code.subarray(1),
    damaged,
    Buffer.alloc(100)
  ]) {
    fs.writeFileSync(file, broken)
    run({ XDG_CACHE_HOME: home })
    t.strictSame(codeIn(home), [file])
    t.ok(fs.statSync(file).size > 100_000)
  }
})

t.test('each set of flags has code of its own', async (t) => {
  const home = t.testdir()
  const env = { XDG_CACHE_HOME: home }
  const flags = { ...env, NODE_OPTIONS: '--max-old-space-size=512' }
  run(env)
  run(flags)
  const files = codeIn(home)
  t.equal(files.length, 2)
  const times = (): number[] => files.map((file) => fs.statSync(file).mtimeMs)
  const before = times()
  run(flags)
  run(env)
  t.strictSame(times(), before, 'so none replaces that of another')
})

t.test(
  'a file that others could have written is not used',
  { skip: !isPosix && 'needs the permissions of POSIX' },
  async (t) => {
    const home = t.testdir()
    const env = { XDG_CACHE_HOME: home }
    run(env)
    const [file = ''] = codeIn(home)
    for (const replace of [
      () => fs.chmodSync(file, 0o620),
      () => {
        fs.renameSync(file, path.join(home, 'moved'))
        fs.symlinkSync(path.join(home, 'moved'), file)
      }
    ]) {
      replace()
      run(env)
      const { mode } = fs.lstatSync(file)
      t.ok(fs.lstatSync(file).isFile(), 'a new one is in its place')
      t.equal(mode & 0o777, 0o600)
    }
  }
)

t.test('a directory that cannot be written changes nothing', async (t) => {
  const home = t.testdir()
  run({ XDG_CACHE_HOME: home })
  const [file = ''] = codeIn(home)
  fs.rmSync(file)
  fs.mkdirSync(file) // the code cannot get its name
  run({ XDG_CACHE_HOME: home })
  t.strictSame(codeIn(home), [file], 'no temporary file stays')
})

t.test('after an update that keeps the length, the old code is not used', async (t) => {
  const home = t.testdir({ package: { dist: {} }, cache: {} })
  const copy = path.join(home, 'package')
  const bundle = path.join(copy, 'dist/cli.cjs')
  fs.cpSync(path.join(root, 'bin'), path.join(copy, 'bin'), { recursive: true })
  fs.copyFileSync(path.join(root, 'dist/cli.cjs'), bundle)
  const env = { XDG_CACHE_HOME: path.join(home, 'cache') }
  t.match(run(env, ['--help'], copy), /^usage: /)
  t.strictSame(codeIn(env.XDG_CACHE_HOME), [], '--help writes no code')
  run(env, [], copy)
  fs.writeFileSync(bundle, fs.readFileSync(bundle, 'utf8').replace('`usage: ', '`USAGE: '))
  t.match(run(env, ['--help'], copy), /^USAGE: /)
})

t.test('the eight newest files stay', async (t) => {
  const home = t.testdir()
  const directory = path.join(home, 'mcp-duplex')
  fs.mkdirSync(directory, { mode: 0o700 })
  for (let age = 1; age <= 9; age++) {
    const file = path.join(directory, `server-v20.0.${age}`)
    fs.writeFileSync(file, '')
    fs.utimesSync(file, 1000 - age, 1000 - age)
  }
  fs.writeFileSync(path.join(directory, 'other'), '')
  run({ XDG_CACHE_HOME: home })
  const names = codeIn(home).map((file) => path.basename(file))
  t.strictSame(names.filter((name) => !name.startsWith('client-')).sort(), [
    'other',
    ...[1, 2, 3, 4, 5, 6, 7].map((age) => `server-v20.0.${age}`)
  ])
  t.equal(names.length, 9)
})

t.test('server mode has code of its own, which loads other files too', async (t) => {
  const home = t.testdir()
  for (const start of ['first', 'second']) {
    const line = `mcp-proxy --port 0 --metrics /metrics -- ${demo}`
    const server = await openShell(t).serve(line, { env: { XDG_CACHE_HOME: home } })
    t.match(await (await fetch(`${server.url}metrics`)).text(), '# TYPE', start)
    await server.kill()
    t.match(
      codeIn(home).map((file) => path.basename(file)),
      [/^server-v/]
    )
  }
})
