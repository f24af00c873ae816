// Finding the program that a command names.

import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { findCommand } from '../../lib/stdio/find-command.ts'
import type { Command } from '../../lib/stdio/find-command.ts'

interface Tree {
  [name: string]: 'program' | 'text' | Tree
}

/** A directory with programs and other files. */
function programs(t: Test, tree: Tree): string {
  const directory = t.testdir(tree)
  const setModes = (at: string, tree: Tree): void => {
    for (const [name, content] of Object.entries(tree)) {
      if (typeof content !== 'string') setModes(join(at, name), content)
      else chmodSync(join(at, name), content === 'program' ? 0o755 : 0o644)
    }
  }
  setModes(directory, tree)
  return directory
}

const missing = (find: () => Command, message: string): void => {
  t.throws(find, { name: 'ProxyError', code: 'ERR_COMMAND_NOT_FOUND', message })
}

t.test('POSIX', async (t) => {
  const platform = 'linux'
  const directory = programs(t, {
    first: { tool: 'text', other: 'program' },
    second: { tool: 'program', other: 'program', folder: {} },
    work: { tool: 'program', 'a b.cmd': 'program' },
    here: 'program'
  })
  const [first, second, work] = ['first', 'second', 'work'].map((name) => join(directory, name))
  const env = { PATH: `${first}:${second}` }

  t.test('a name is looked up in PATH, and the first program counts', async (t) => {
    const found = { args: ['a', '*'], windowsVerbatimArguments: false }
    t.strictSame(findCommand('tool', ['a', '*'], { env, platform }), {
      file: `${second}/tool`,
      ...found
    })
    t.equal(findCommand('other', [], { env, platform }).file, `${first}/other`)
  })

  t.test('a file that is not executable is no program, nor is a directory', async () => {
    const where = `PATH is ${first}`
    missing(
      () => findCommand('tool', [], { env: { PATH: first }, platform }),
      `cannot start "tool": not found; ${where}`
    )
    missing(
      () => findCommand('folder', [], { env, platform }),
      `cannot start "folder": not found; PATH is ${first}:${second}`
    )
    missing(
      () => findCommand('', [], { env, platform }),
      `cannot start "": not found; PATH is ${first}:${second}`
    )
  })

  t.test('without PATH nothing is found by name', async (t) => {
    for (const PATH of [undefined, '', ':']) {
      t.throws(() => findCommand('tool', [], { env: { PATH }, cwd: work, platform }), {
        message: `cannot start "tool": not found; PATH is ${PATH || 'empty'}`
      })
    }
    // On POSIX `Path` is another variable.
    missing(
      () => findCommand('tool', [], { env: { Path: second }, platform }),
      'cannot start "tool": not found; PATH is empty'
    )
  })

  t.test(
    'a path is not looked up, and is relative to the working directory of the server',
    async (t) => {
      t.equal(findCommand('./tool', [], { env, cwd: work, platform }).file, `${work}/tool`)
      t.equal(findCommand('../here', [], { env, cwd: work, platform }).file, `${directory}/here`)
      t.equal(findCommand(`${work}/tool`, [], { env: {}, platform }).file, `${work}/tool`)
      missing(
        () => findCommand('./other', [], { env, cwd: work, platform }),
        `cannot start "./other": no program at ${work}/other`
      )
    }
  )

  t.test(
    'relative directories in PATH are relative to the working directory of the server',
    async (t) => {
      const options = { env: { PATH: 'none:work' }, cwd: directory, platform } as const
      t.equal(findCommand('tool', [], options).file, `${work}/tool`)
    }
  )

  t.test('a working directory that does not exist is an error', async () => {
    for (const cwd of [`${directory}/nowhere`, `${directory}/here`]) {
      missing(
        () => findCommand('tool', [], { env, cwd, platform }),
        `cannot start "tool": there is no directory ${cwd} to start it in`
      )
    }
  })

  t.test('the ending of a name has no meaning', async (t) => {
    const found = findCommand('a b.cmd', ['x'], { env: { PATH: work }, platform })
    t.strictSame(found, { file: `${work}/a b.cmd`, args: ['x'], windowsVerbatimArguments: false })
  })

  t.test('without options it searches as this process would', async (t) => {
    t.equal(findCommand(process.execPath, []).file, process.execPath)
  })
})

// On POSIX a backslash is a character like others: `C:\bin\tool.exe` is the name of a file in the
// current directory. So these tests can follow the rules of Windows on any other system.
const cannotPretend = process.platform === 'win32' && 'this is Windows'

t.test('Windows', { skip: cannotPretend }, async (t) => {
  const platform = 'win32'
  const before = process.cwd()
  t.teardown(() => process.chdir(before))
  const files = [
    'C:\\bin\\tool.exe',
    'C:\\bin\\npx',
    'C:\\bin\\npx.cmd',
    'C:\\bin\\script.py',
    'C:\\Program Files\\x\\batch.bat',
    'C:\\Program Files\\x\\tool.com',
    'C:\\work\\local.exe'
  ]
  const names = Object.fromEntries(files.map((file) => [file, 'text']))
  process.chdir(t.testdir({ ...names, 'C:\\work': {} }))
  const env = { Path: 'C:\\bin;;C:\\Program Files\\x', ComSpec: 'C:\\Windows\\cmd.exe' }
  const fileOf = (name: string, more: NodeJS.ProcessEnv = {}): string =>
    findCommand(name, [], { env: { ...env, ...more }, platform }).file

  t.test('a name is looked up in Path, with each ending of PATHEXT', async (t) => {
    t.equal(fileOf('tool'), 'C:\\bin\\tool.exe')
    t.equal(fileOf('tool.exe'), 'C:\\bin\\tool.exe')
    t.equal(fileOf('tool.com'), 'C:\\Program Files\\x\\tool.com')
    t.equal(fileOf('script', { pathext: '.EXE;.PY' }), 'C:\\bin\\script.py')
    t.throws(() => fileOf('script'), {
      message: `cannot start "script": not found; PATH is ${env.Path}`
    })
  })

  t.test('a file without an ending is no program, whatever PATHEXT says', async (t) => {
    // Beside npx.cmd there is an npx for POSIX shells.
    for (const PATHEXT of [undefined, '', '.EXE;.CMD', '.EXE;.CMD;', ';.CMD']) {
      t.equal(fileOf('npx', { PATHEXT }), 'C:\\Windows\\cmd.exe')
    }
  })

  t.test('a path is not looked up, with slashes or backslashes', async (t) => {
    const options = { env, cwd: 'C:\\work', platform } as const
    for (const name of ['.\\local', './local.exe', 'C:\\work\\local', '..\\work/local']) {
      t.equal(findCommand(name, [], options).file, 'C:\\work\\local.exe')
    }
    t.throws(() => findCommand('.\\tool', [], options), {
      message: 'cannot start ".\\tool": no program at C:\\work\\tool'
    })
  })

  t.test('a program that is no batch file gets its arguments unchanged', async (t) => {
    t.strictSame(findCommand('tool', ['a b', '"'], { env, platform }), {
      file: 'C:\\bin\\tool.exe',
      args: ['a b', '"'],
      windowsVerbatimArguments: false
    })
  })

  t.test('a batch file is started through cmd.exe', async (t) => {
    t.strictSame(findCommand('batch', [], { env, platform }), {
      file: 'C:\\Windows\\cmd.exe',
      args: ['/d', '/s', '/c', '"C:\\Program^ Files\\x\\batch.bat"'],
      windowsVerbatimArguments: true
    })
    t.equal(fileOf('npx', { ComSpec: undefined }), 'cmd.exe')
  })

  t.test('the arguments of a batch file survive each parsing', async (t) => {
    const args = [
      '',
      'plain',
      'two words',
      '-y',
      '@scope/name@^1.0.0',
      'C:\\dir\\',
      'C:\\two words\\\\',
      '"quoted"',
      'a\\"b\\\\"c',
      '\\"',
      '%PATH%',
      '100%',
      '%%',
      '!x!',
      '^',
      '^^',
      '&calc',
      '"&calc',
      'a"b&c|d<e>f(g)h^i',
      '" & echo %PATH% & "',
      '{"json":["a b",{"c":"\\\\"}]}',
      'é😀',
      '*?;,='
    ]
    for (const list of [args, ...args.map((arg) => [arg]), ...args.map((arg) => [arg, arg])]) {
      const { args: given } = findCommand('npx', list, { env, platform })
      t.strictSame(given.slice(0, 3), ['/d', '/s', '/c'])
      t.strictSame(throughBatch(given[3] as string), { command: 'C:\\bin\\npx.cmd', args: list })
    }
  })
})

// The command and arguments that a program gets from a batch file which passes them on as npm's do.
function throughBatch(line: string): { command: string; args: string[] } {
  // With /s cmd.exe removes the first and the last quote.
  const typed = byCmd(expandVariables(line.slice(1, -1)))
  const end = typed.indexOf(' ')
  const command = end === -1 ? typed : typed.slice(0, end)
  const rest = end === -1 ? '' : typed.slice(end + 1)
  // Variables in the value of %* are not expanded again.
  return { command, args: byProgram(byCmd(rest)) }
}

/** Replaces the text between two per cent signs, if a variable has that name. */
function expandVariables(line: string): string {
  return line.replace(/%([^%]+)%/g, (text, name) => (name === 'PATH' ? 'expanded' : text))
}

/** Outside of quotes a caret escapes the character after it, and is removed. */
function byCmd(line: string): string {
  let read = ''
  let quoted = false
  for (let at = 0; at < line.length; at++) {
    const char = line[at] as string
    if (char === '"') quoted = !quoted
    if (!quoted && '&|<>()'.includes(char)) throw new Error(`${char} is not escaped in ${line}`)
    read += char === '^' && !quoted ? line[++at] : char
  }
  return read
}

/** Splits a command line as the C library does. */
function byProgram(line: string): string[] {
  const args: string[] = []
  let quoted = false
  let arg: string | undefined
  for (const [, backslashes, char] of line.matchAll(/(\\*)([^\\]|$)/gsu) as Iterable<string[]>) {
    const count = backslashes?.length ?? 0
    if (char === '"') {
      arg = (arg ?? '') + '\\'.repeat(count >> 1)
      if (count % 2 === 1) arg += '"'
      else quoted = !quoted
      continue
    }
    if (count > 0) arg = (arg ?? '') + backslashes
    const ends = char === '' || (!quoted && (char === ' ' || char === '\t'))
    if (!ends) arg = (arg ?? '') + char
    else if (arg !== undefined) {
      args.push(arg)
      arg = undefined
    }
  }
  return args
}
