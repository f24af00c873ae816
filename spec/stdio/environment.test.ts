// The environment of servers.

import t from 'tap'
import { serverEnvironment } from '../../lib/stdio/environment.ts'

const posix = { platform: 'linux', passEnvironment: false } as const
const windows = { platform: 'win32', passEnvironment: false } as const

t.test('a server gets the safe variables and no secrets', async (t) => {
  const safe = { HOME: '/h', LOGNAME: 'l', PATH: '/bin', SHELL: '/sh', TERM: 'dumb', USER: 'u' }
  const env = { ...safe, API_ACCESS_TOKEN: 'secret', path: 'another variable', EMPTY: undefined }
  t.strictSame(serverEnvironment({ ...posix, env }), safe)
})

t.test('functions that a shell exported are not passed on', async (t) => {
  t.strictSame(serverEnvironment({ ...posix, env: { TERM: '() { :; }', USER: 'u' } }), {
    USER: 'u'
  })
})

t.test('the whole environment is passed on if configured', async (t) => {
  const env = { A: '1', F: '() { :; }', NOT: undefined }
  t.strictSame(serverEnvironment({ ...posix, env, passEnvironment: true }), {
    A: '1',
    F: '() { :; }'
  })
})

t.test("the variables of the server's configuration override the proxy's", async (t) => {
  const env = { PATH: '/bin', HOME: '/h' }
  t.strictSame(serverEnvironment({ ...posix, env }, Object.entries({ PATH: '/x', KEY: 'v' })), {
    PATH: '/x',
    HOME: '/h',
    KEY: 'v'
  })
})

t.test('on Windows names are the same in upper and lower case', async (t) => {
  const env = { Path: 'C:\\bin', SystemRoot: 'C:\\Windows', ComSpec: 'cmd.exe', HOME: 'no' }
  t.strictSame(serverEnvironment({ ...windows, env }, [['PATH', 'D:\\bin']]), {
    PATH: 'D:\\bin',
    SystemRoot: 'C:\\Windows',
    ComSpec: 'cmd.exe'
  })
})

t.test('a variable may have any name', async (t) => {
  const made = serverEnvironment({ ...posix, env: {} }, [['__proto__', 'x']])
  t.strictSame(Object.entries(made), [['__proto__', 'x']])
})

t.test('without options the environment is made from `process.env`', async (t) => {
  process.env.SECRET_OF_OURS = 'x'
  t.teardown(() => delete process.env.SECRET_OF_OURS)
  const { PATH } = process.env
  const made = serverEnvironment()
  t.equal(Object.entries(made).find(([name]) => name.toUpperCase() === 'PATH')?.[1], PATH)
  t.notOk('SECRET_OF_OURS' in made)
})
