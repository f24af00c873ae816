// Authorization by tokens of a file, which may change.

import { execFileSync } from 'node:child_process'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import type { Test } from 'tap'
import type { Auth, Grant } from '../../../lib/http-server/auth/auth.ts'
import { tokenAuth } from '../../../lib/http-server/auth/token-auth.ts'
import { KeptLog } from '../../helpers.ts'

/** The principal of a token. */
const principalOf = (auth: Auth, token: string): string | undefined =>
  (auth.check(token) as Grant | undefined)?.principal

/** A file of tokens, and a function that replaces it and waits for the next look at it. */
function tokenFile(t: Test, text: string): { file: string; replace(text?: string): Promise<void> } {
  const file = `${t.testdir({ tokens: text })}/tokens`
  const replace = async (text?: string): Promise<void> => {
    if (text === undefined) rmSync(file)
    else {
      writeFileSync(`${file}.new`, text)
      renameSync(`${file}.new`, file)
    }
    await sleep(300)
  }
  return { file, replace }
}

test('a token without a file has the principal "default"', async (t) => {
  const auth = tokenAuth({ token: 'secret' })
  t.equal(principalOf(auth, 'secret'), 'default')
  t.equal(principalOf(auth, 'other'), undefined)
})

test('the file is read again when it has changed', async (t) => {
  const { file, replace } = tokenFile(t, 'alice:one\n')
  const log = new KeptLog()
  const auth = tokenAuth({ file, token: 'own', log })
  const principals = (): unknown[] => ['one', 'two', 'own'].map((token) => principalOf(auth, token))
  t.strictSame(principals(), ['alice', undefined, 'default'])
  await replace('alice:two\n')
  t.strictSame(principals(), [undefined, 'alice', 'default'])
  await replace('alice:two\nbob:one\n')
  t.strictSame(principals(), ['bob', 'alice', 'default'])
  await replace('# none\n')
  t.strictSame(principals(), [undefined, undefined, 'default'])
  t.strictSame(
    [...log.lines],
    [
      `info: ${file} has changed: 1 token`,
      `info: ${file} has changed: 2 tokens`,
      `warn: ${file} has no token any more`
    ]
  )
})

test('a reload reads the file at once, and says whether the tokens have changed', async (t) => {
  const { file } = tokenFile(t, 'alice:one\nbob:two\n')
  const auth = tokenAuth({ file })
  t.equal(auth.reload?.(), false)
  for (const [text, one] of [
    ['alice:one\nbob:three\n', 'alice'],
    ['alice:one\n', 'alice'],
    ['carol:one\n', 'carol'],
    ['# none\n', undefined]
  ] as const) {
    writeFileSync(file, text)
    t.equal(auth.reload?.(), true, text)
    t.equal(principalOf(auth, 'one'), one, text)
  }
  writeFileSync(file, 'alice:one\n')
  t.equal(auth.reload?.(), true)
  writeFileSync(file, 's3cret')
  for (let count = 0; count < 2; count++) {
    t.throws(() => auth.reload?.(), { code: 'ERR_CONFIG' }, 'each time')
  }
  t.equal(principalOf(auth, 'one'), 'alice')
  rmSync(file)
  execFileSync('mkfifo', [file])
  t.equal(auth.reload?.(), false, 'a pipe is not read again')
  t.equal(principalOf(auth, 'one'), 'alice')
})

test('a file that becomes wrong or is removed changes nothing', async (t) => {
  const { file, replace } = tokenFile(t, 'alice:one\n')
  const log = new KeptLog()
  const auth = tokenAuth({ file, log })
  await replace('alice:two\nhidden\n')
  t.strictSame([principalOf(auth, 'one'), principalOf(auth, 'two')], ['alice', undefined])
  await replace()
  t.equal(principalOf(auth, 'one'), 'alice')
  await sleep(300)
  t.equal(principalOf(auth, 'one'), 'alice')
  t.match(
    [...log.lines],
    [
      `error: the tokens did not change: ${file}: line 2: write name:token`,
      `error: the tokens did not change: cannot read ${file}: ENOENT`
    ]
  )
  t.equal(log.lines.length, 2, 'each fault is logged once')
  await replace('alice:two\n')
  t.equal(principalOf(auth, 'two'), 'alice')
})

test('the file must be readable, correct and not empty at the start', async (t) => {
  const { file, replace } = tokenFile(t, 'hidden')
  const code = 'ERR_CONFIG'
  t.throws(() => tokenAuth({ file: `${file}x` }), { code, message: `cannot read ${file}x` })
  t.throws(() => tokenAuth({ file }), { code, message: file })
  await replace('# nothing\n')
  t.throws(() => tokenAuth({ file }), { code, message: `${file} has no token` })
  t.throws(() => tokenAuth({ token: 'two words' }), { code })
})

test('a pipe is read once', { skip: process.platform === 'win32' }, async (t) => {
  const file = `${t.testdir({})}/pipe`
  execFileSync('mkfifo', [file])
  execFileSync('sh', ['-c', 'echo alice:one > "$0" &', file], { stdio: 'ignore' })
  const auth = tokenAuth({ file })
  await sleep(300)
  t.equal(principalOf(auth, 'one'), 'alice')
})

test('a grant is valid as long as the file has its token', async (t) => {
  const { file, replace } = tokenFile(t, 'alice:one\nbob:two\n')
  const auth = tokenAuth({ file, token: 'own' })
  const grants = ['one', 'two', 'own'].map((token) => auth.check(token) as Grant)
  const valid = (): unknown[] => grants.map((grant) => grant.isValid?.() ?? 'always')
  t.strictSame(valid(), [true, true, 'always'])
  await replace('# the same tokens\nalice:one\nbob:two\n')
  t.strictSame(valid(), [true, true, 'always'])
  await replace('carol:one\nbob:two\n')
  t.strictSame(valid(), [false, true, 'always'], 'the token belongs to another now')
  await replace('alice:one\n')
  t.strictSame(valid(), [true, false, 'always'])
})
