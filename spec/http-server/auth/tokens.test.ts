// The tokens of a file, and the principal of each.

import { createHash } from 'node:crypto'
import { test } from 'tap'
import { describe } from '../../../lib/errors.ts'
import { findEntry, parseTokens, toEntry } from '../../../lib/http-server/auth/tokens.ts'

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex')

test('each line has a name and a token, or the digest of a token', async (t) => {
  const text = [
    '\ufeff# comment',
    'alice:secret-a\r',
    '',
    '  # another comment',
    `bob:sha256:${sha256('secret-b')}`,
    `  carol : SHA256:${sha256('secret:c').toUpperCase()}  `,
    'alice:secret-2',
    'dave:with:colons:==',
    'alice:secret-2'
  ].join('\n')
  const entries = parseTokens(text)
  const principals = Object.entries({
    'secret-a': 'alice',
    'secret-2': 'alice',
    'secret-b': 'bob',
    'secret:c': 'carol',
    'with:colons:==': 'dave',
    [sha256('secret-b')]: undefined,
    'secret-': undefined,
    'secret-a ': undefined,
    '': undefined
  })
  for (const [token, principal] of principals) {
    t.equal(findEntry(entries, token)?.principal, principal, token)
  }
  t.strictSame(parseTokens('\n# nothing\n'), [])
})

test('a wrong line is named by its number, and its text is not shown', async (t) => {
  const digest = sha256('hidden')
  for (const [line, reason] of [
    ['hidden', 'write name:token or name:sha256:HEX'],
    [':hidden', 'write name:token or name:sha256:HEX'],
    ['name:', 'a token must have visible ASCII characters only, and no space'],
    ['name:hidden token', 'a token must have visible ASCII characters only, and no space'],
    ['name:hidden\u00e9', 'a token must have visible ASCII characters only, and no space'],
    ['name:sha256:hidden', 'a SHA-256 digest has 64 hexadecimal digits'],
    [`name:sha256:${digest}0`, 'a SHA-256 digest has 64 hexadecimal digits'],
    [`bob:sha256:${digest}`, '"alice" has the same token']
  ] as const) {
    try {
      parseTokens(`alice:hidden\n\n${line}\n`)
      t.fail(`no error for ${line}`)
    } catch (error) {
      t.match(error, { code: 'ERR_CONFIG' })
      t.equal(describe(error), `line 3: ${reason}`)
    }
  }
})

test('a token that no client could send is an error', async (t) => {
  t.throws(() => toEntry('default', 'two words'), { code: 'ERR_CONFIG' })
  t.equal(findEntry([toEntry('default', 'word')], 'word')?.principal, 'default')
})
