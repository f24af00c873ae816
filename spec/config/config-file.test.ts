// Config files of several programs, and the errors for files with faults.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { loadConfigFile } from '../../lib/config/config-file.ts'
import type { MakeEnvironment } from '../../lib/config/config-file.ts'
import type { ServerConfig } from '../../lib/config/config.ts'

const environment: MakeEnvironment = (own) => ({ PATH: '/bin', ...Object.fromEntries(own) })

function write(t: Test, content: unknown): string {
  const file = join(t.testdir({}), 'servers.json')
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

const variables = { HOST: 'a.example', TOKEN: 'hidden-1', EMPTY: '', 'P(x86)': 'C:', INPUT: 'x' }

async function loadAll(
  t: Test,
  content: unknown
): Promise<{ named: Record<string, ServerConfig>; faults: string[] }> {
  const { named, faults } = await loadConfigFile(write(t, content), environment, variables)
  t.notMatch(faults.join(), 'hidden', 'a fault has no secret')
  return { named: Object.fromEntries(named), faults }
}

/** The servers of a file without faults. */
async function load(t: Test, content: unknown): Promise<Record<string, ServerConfig>> {
  const { named, faults } = await loadAll(t, content)
  t.strictSame(faults, [])
  return named
}

/** The message of the error, after the name of the file. */
async function faultOf(t: Test, content: unknown): Promise<string> {
  const file = write(t, content)
  const error = await loadConfigFile(file, environment, {}).then(
    () => t.fail('loads'),
    (error: Error) => error
  )
  t.match(error, { code: 'ERR_CONFIG' })
  const { message, cause } = error as Error
  t.equal(cause, undefined, 'nothing from the file comes with it')
  t.ok(message.startsWith(`${file}: `), message)
  return message.slice(file.length + 2)
}

t.test("the reference's own example loads", async (t) => {
  const content = {
    mcpServers: {
      fetch: {
        enabled: true,
        disabled: false,
        timeout: 60,
        command: 'uvx',
        args: ['mcp-server-fetch'],
        env: { A: 'b' },
        transportType: 'stdio'
      },
      remote: {
        url: 'https://example.com/mcp',
        headers: { X: 'y' },
        transport: 'streamablehttp'
      }
    }
  }
  t.strictSame(await load(t, content), {
    fetch: {
      kind: 'command',
      command: 'uvx',
      args: ['mcp-server-fetch'],
      env: { PATH: '/bin', A: 'b' }
    },
    remote: {
      kind: 'url',
      url: new URL('https://example.com/mcp'),
      headers: { X: 'y' },
      transport: 'streamablehttp'
    }
  })
})

t.test("other programs' files load as they are", async (t) => {
  const claude = {
    globalShortcut: 'Ctrl+Space',
    mcpServers: { files: { command: 'npx', args: ['-y', 'server'], alwaysAllow: ['read'] } }
  }
  t.match(await load(t, claude), { files: { command: 'npx', args: ['-y', 'server'] } })

  const cursor = {
    mcpServers: {
      here: { type: 'stdio', command: 'node', envFile: '.env', autoApprove: [] },
      there: { serverUrl: 'http://localhost:3000/mcp' }
    }
  }
  t.match(await load(t, cursor), {
    here: { kind: 'command', command: 'node', args: [] },
    there: { kind: 'url', transport: 'auto', headers: {} }
  })

  const code = `\uFEFF{
    // Use IntelliSense
    "inputs": [{ "id": "token", "type": "promptString" },],
    "servers": {
      "web": { "type": "http", "url": "https://a.example//mcp", "gallery": true }, /* two
      lines */
      "old": { "type": "sse", "url": "https://a.example/sse?q=/*x*/" },
      "quoted": { "type": "anything", "command": "a,}\\"//b", "cwd": "spec", "timeout": "long" },
    },
  }`
  t.match(await load(t, code), {
    web: { url: { href: 'https://a.example//mcp' }, transport: 'auto' },
    old: { url: { href: 'https://a.example/sse?q=/*x*/' }, transport: 'sse' },
    quoted: { command: 'a,}"//b', cwd: 'spec' }
  })
})

t.test('a transport can be written in several ways', async (t) => {
  const url = 'http://a/'
  const ways: [entry: object, transport: string][] = [
    [{}, 'auto'],
    [{ type: 'http' }, 'auto'],
    [{ transport: 'auto' }, 'auto'],
    [{ transport: 'sse', type: 'http' }, 'sse'],
    [{ transportType: 'sse' }, 'sse'],
    [{ type: 'streamable-http' }, 'streamablehttp'],
    [{ type: 'streamableHttp' }, 'streamablehttp'],
    [{ transport: 'streamablehttp' }, 'streamablehttp'],
    [{ type: 'stdio' }, 'auto']
  ]
  for (const [entry, transport] of ways) {
    t.match(await load(t, { servers: { a: { url, ...entry } } }), { a: { transport } })
  }
})

t.test('an entry may name the era of its server', async (t) => {
  const servers = {
    a: { command: 'a', era: 'modern' },
    b: { url: 'http://b/', era: 'legacy', translate: 'off' }
  }
  t.match(await load(t, { servers }), {
    a: { era: 'modern' },
    b: { era: 'legacy', translate: 'off' }
  })
  const { faults } = await loadAll(t, { servers: { c: { command: 'c', era: 'old' } } })
  t.strictSame(faults, ['c: era must be one of auto, legacy, modern'])
})

t.test('an entry may say what clients may use of its server', async (t) => {
  const tools = { allow: ['read_*'], deny: ['x'] }
  const servers = {
    a: { command: 'a', tools, prompts: { deny: ['p'] } },
    b: { url: 'http://b/', tools: ['*'], resources: { allow: ['a:*'] } }
  }
  t.match(await load(t, { servers }), {
    a: { tools, prompts: { deny: ['p'] } },
    b: { tools: { allow: ['*'] }, resources: { allow: ['a:*'] } }
  })
  for (const wrong of ['read_*', 7, [7], { allow: 'x' }, { deny: [null] }]) {
    const { faults } = await loadAll(t, { servers: { c: { command: 'c', tools: wrong } } })
    t.strictSame(faults, ['c: tools must be a list of patterns, or have allow and deny'])
  }
})

t.test('an entry with a command and a url is a command', async (t) => {
  const entry = { command: 'a', url: 'not looked at', transport: 'nor this', type: 'sse' }
  t.match(await load(t, { mcpServers: { entry } }), { entry: { kind: 'command' } })
})

t.test('a file may have mcpServers and servers', async (t) => {
  const content = {
    servers: { a: { command: 'a' }, b: { command: 'b' } },
    mcpServers: { b: { command: 'c' } }
  }
  t.match(await load(t, content), { a: { command: 'a' }, b: { command: 'c' } })
})

t.test('a name may have a slash, as in the VS Code gallery', async (t) => {
  const content = { servers: { 'microsoft/markitdown': { command: 'uvx' } } }
  t.match(await load(t, content), { 'microsoft/markitdown': { command: 'uvx' } })
})

t.test('a disabled entry is skipped with all its faults', async (t) => {
  const content = {
    mcpServers: {
      one: { enabled: false, command: 1 },
      two: { disabled: true },
      '..': { disabled: true, command: 'x' },
      on: { enabled: true, disabled: false, command: 'x' }
    }
  }
  t.strictSame(Object.keys(await load(t, content)), ['on'])
  t.strictSame(await load(t, { mcpServers: { off: { disabled: true, command: 'x' } } }), {})
})

t.test('enabled may be any value that the reference accepts', async (t) => {
  const on = [true, 1, undefined].map((enabled, i) => [`on${i}`, { enabled, command: 'x' }])
  const off = [false, 0, null, ''].map((enabled, i) => [`off${i}`, { enabled, command: 1 }])
  const named = await load(t, { mcpServers: Object.fromEntries([...on, ...off]) })
  t.strictSame(Object.keys(named), ['on0', 'on1', 'on2'])
})

t.test('a null in place of a member or of a list of servers counts as not there', async (t) => {
  const nothing = { args: null, env: null, cwd: null, disabled: null, url: null, tools: null }
  const mcpServers = { a: { command: 'x', ...nothing }, b: { command: 'x', cwd: '' } }
  const server = { kind: 'command', command: 'x', args: [], env: { PATH: '/bin' } }
  t.strictSame(await load(t, { servers: null, mcpServers }), { a: server, b: server })
  t.match(await load(t, { servers: mcpServers, mcpServers: null }), { a: server })
  t.equal(await faultOf(t, { servers: null, mcpServers: null }), 'has no "mcpServers"')
  const web = { url: 'http://a/', command: null, headers: null, transport: null, clientId: null }
  t.match(await load(t, { servers: { web } }), { web: { kind: 'url', transport: 'auto' } })
  const { faults } = await loadAll(t, {
    servers: { a: null, b: { command: null }, c: { command: 'x', args: [null], env: { A: null } } }
  })
  t.strictSame(faults, [
    'a: must be an object',
    'b: needs a command or a url',
    'c: args must be a list of strings, env: A must be a string'
  ])
})

t.test('placeholders become variables of the environment', async (t) => {
  const command = {
    command: '${env:HOST}/${NONE:-bin}',
    args: ['--url=${HOST}:${PORT:-80}', '${EMPTY:-default}', '${env:P(x86)}', '${TOKEN}${TOKEN}'],
    env: { KEY: '${TOKEN}', B: '${env:NONE:-}', '${HOST}': 'name' },
    cwd: '${NONE:-.}'
  }
  const url = {
    url: 'https://${HOST}/${PATH_:-a b:-c}',
    headers: { Authorization: 'Bearer ${TOKEN}' }
  }
  const remote = { serverUrl: 'http://${HOST}' }
  t.match(await load(t, { servers: { command, url, remote } }), {
    command: {
      command: 'a.example/bin',
      args: ['--url=a.example:80', '', 'C:', 'hidden-1hidden-1'],
      env: { KEY: 'hidden-1', B: '', '${HOST}': 'name' },
      cwd: '.'
    },
    url: {
      url: { href: 'https://a.example/a%20b:-c' },
      headers: { Authorization: 'Bearer hidden-1' }
    },
    remote: { url: { href: 'http://a.example/' } }
  })
})

t.test('other text of shells stays as it is', async (t) => {
  const args = ['$HOST', '${file%.*}', '${#list}', '${x:0:3}', '${x:=y}', '${', '$(pwd)', '{HOST}']
  t.match(await load(t, { servers: { a: { command: 'sh', args } } }), { a: { args } })
})

t.test('a placeholder without a value is a fault with its entry', async (t) => {
  const servers = {
    good: { command: 'x' },
    off: { command: '${NONE}', disabled: true },
    unset: {
      command: '${A}',
      args: ['${env:B}', '${B}'],
      env: { KEY: 'hidden ${C}', 'hidden=x': '${D}' },
      cwd: '${E}'
    },
    remote: { url: 'http://hidden:${A}@x', headers: { Key: '${B}', 'hidden key': '${C}' } },
    editor: {
      command: '${workspaceFolder}/x',
      args: ['${input:api-key}', '${userHome}', '${/}', '${config:a.b}', '${input:}'],
      cwd: '${workspaceFolder:name}'
    },
    nested: { command: '${A:-${HOST}}' },
    blank: { command: '${EMPTY}' },
    where: { url: '${TOKEN}', headers: { A: '${NONE:-\n}' } },
    '..': { command: '${TOKEN}${A}' }
  }
  const { named, faults } = await loadAll(t, { servers })
  t.strictSame(Object.keys(named), ['good'])
  const unset = (name: string): string =>
    `the variable ${name} is not set: set it, or write \${${name}:-default}`
  const inEditor = 'has a value only in an editor: write'
  t.strictSame(faults, [
    `unset: command: ${unset('A')}, args: ${unset('B')}, env: KEY: ${unset('C')}, env: ${unset('D')}, cwd: ${unset('E')}`,
    `remote: url: ${unset('A')}, headers: Key: ${unset('B')}, headers: ${unset('C')}`,
    'editor: ' +
      [
        `command: \${workspaceFolder} ${inEditor} the path of the folder`,
        'args: ${input:api-key} is a question of an editor: write ${API_KEY} and set the variable API_KEY',
        `args: \${userHome} ${inEditor} \${HOME}, or on Windows \${USERPROFILE}`,
        `args: \${/} ${inEditor} / or \\`,
        `args: \${config:a.b} ${inEditor} the value, or \${VARIABLE}`,
        `args: \${input:} ${inEditor} the value, or \${VARIABLE}`,
        `cwd: \${workspaceFolder:name} ${inEditor} the path of the folder`
      ].join(', '),
    'nested: command: the default of A cannot have a placeholder',
    'blank: command must not be empty',
    'where: url must be an http:// or https:// URL, headers: A has a character that is not allowed',
    `..: the name must be fit for a URL: not empty, "." or "..", command: ${unset('A')}`
  ])
})

t.test('every fault of every entry is listed, and the other entries load', async (t) => {
  const content = {
    mcpServers: {
      fetch: { command: 'uvx', args: 'mcp-server-fetch', env: { PORT: 1, A: null }, cwd: 1 },
      github: {},
      fine: { command: 'x' },
      list: { command: ' ', args: ['a', 1, 2], enabled: 'no', disabled: 0 },
      word: 'uvx',
      '..': { command: 'x', env: { 'SECRET=abc': 'x' } },
      '': { command: 'x' },
      'two words': { url: 'secret', headers: { 'a b': 'x', X: 'secret\n' } },
      web: { url: 1, headers: [], type: 'ws' },
      web2: { url: 'http://a/', headers: { X: 1 } }
    }
  }
  const { named, faults } = await loadAll(t, content)
  t.strictSame(Object.keys(named), ['fine'])
  t.notMatch(faults.join(), 'secret')
  t.notMatch(faults.join(), 'SECRET')
  t.strictSame(faults.sort(), [
    '"": the name must be fit for a URL: not empty, "." or ".."',
    '"two words": url must be an http:// or https:// URL, headers has a name that is not allowed, headers: X has a character that is not allowed',
    '..: the name must be fit for a URL: not empty, "." or "..", env has a name that is empty or has a "=" in it',
    'fetch: args must be a list of strings, env: PORT must be a string, env: A must be a string, cwd must be a string',
    'github: needs a command or a url',
    'list: command must not be empty, args must be a list of strings, enabled must be true or false, disabled must be true or false',
    'web2: headers: X must be a string',
    'web: url must be a string, headers must be an object of strings, type must be one of auto, http, sse, stdio, streamable-http, streamableHttp, streamablehttp',
    'word: must be an object'
  ])
})

t.test('cwd must be a directory that exists', async (t) => {
  const directory = t.testdir({ file: '' })
  const faulty = [`${directory}/secret`, `${directory}/file`, 'secret\0'].map((cwd, i) => [
    `server${i}`,
    { command: 'x', cwd }
  ])
  const { faults } = await loadAll(t, { servers: Object.fromEntries(faulty) })
  const fault = 'cwd: there is no such directory'
  t.strictSame(faults, [`server0: ${fault}`, `server1: ${fault}`, `server2: ${fault}`])
})

t.test('a file without servers is an error', async (t) => {
  t.equal(await faultOf(t, {}), 'has no "mcpServers"')
  t.equal(await faultOf(t, []), 'must be an object')
  t.equal(await faultOf(t, { mcpServers: [] }), 'mcpServers must be an object')
  t.equal(await faultOf(t, { servers: 1, mcpServers: {} }), 'servers must be an object')
  t.match(await loadAll(t, { servers: [], mcpServers: { a: { command: 'x' } } }), {
    named: { a: { command: 'x' } },
    faults: ['servers must be an object']
  })
})

t.test('the error for bad JSON has the line and column, but not the text', async (t) => {
  const faults: [content: string, fault: string][] = [
    ['', 'it ends too early'],
    ['{"a": [1, ', 'it ends too early'],
    ['{"a": "b', 'it ends too early'],
    ['{\n  "a": uvx\n}', 'see line 2, column 8'],
    ['// c\n/* d\n*/ {"a" "b"}', 'see line 3, column 9'],
    ["{\n'a': 1}", 'see line 2, column 1'],
    ['{"a": 1}\n x', 'see line 2, column 2']
  ]
  for (const [content, fault] of faults) {
    t.equal(await faultOf(t, content), `not JSON: ${fault}`, content)
  }
  t.equal(await faultOf(t, '{"a": }}'), 'not JSON')
})

t.test('a file that cannot be read is an error', async (t) => {
  const directory = t.testdir({})
  mkdirSync(join(directory, 'servers.json'))
  await t.rejects(loadConfigFile(join(directory, 'none.json'), environment, {}), {
    code: 'ERR_CONFIG',
    message: `${join(directory, 'none.json')}: no such file`
  })
  await t.rejects(loadConfigFile(join(directory, 'servers.json'), environment, {}), {
    code: 'ERR_CONFIG',
    message: `${join(directory, 'servers.json')}: cannot be read (EISDIR)`
  })
})

t.test('a server at a URL may have credentials', async (t) => {
  const url = 'https://a.example/mcp'
  const { named, faults } = await loadAll(t, {
    mcpServers: {
      machine: {
        url,
        clientId: '${HOST}',
        clientSecret: '${TOKEN}',
        clientIssuer: 'https://${HOST}',
        clientCredentials: true
      },
      token: { url, clientId: 'a', clientKey: '/k.pem', tokenUrl: 'https://${HOST}/token' },
      file: { url, clientId: 'a', clientSecretFile: '/s' },
      login: { url, username: 'me', password: '${TOKEN}', digest: true },
      person: { url, clientMetadataUrl: 'https://a.example/client.json' },
      plain: { url },
      wrong: { url, clientSecret: 'hidden' },
      both: { url, clientId: 'a', clientSecret: 'hidden', clientKey: 'k' },
      badUrl: { url, clientId: 'a', clientKey: 'k', tokenUrl: 'ftp://hidden' },
      half: { url, username: 'me' },
      type: { url, clientCredentials: 'yes' },
      headers: { url, headersFile: '/missing' }
    }
  })
  const sign = { kind: 'signIn', browser: false, callbackPort: 0 }
  t.match(named, {
    machine: {
      credentials: {
        ...sign,
        clientId: 'a.example',
        clientSecret: 'hidden-1',
        clientIssuer: 'https://a.example',
        clientCredentials: true
      }
    },
    token: {
      credentials: {
        kind: 'oauth',
        clientKey: '/k.pem',
        tokenUrl: { href: 'https://a.example/token' }
      }
    },
    file: { credentials: { ...sign, clientSecretFile: '/s' } },
    login: { credentials: { kind: 'login', username: 'me', password: 'hidden-1', digest: true } },
    person: { credentials: { ...sign, clientMetadataUrl: 'https://a.example/client.json' } }
  })
  t.equal((named.plain as { credentials?: unknown }).credentials, undefined)
  t.strictSame(faults.sort(), [
    'badUrl: tokenUrl must be an http:// or https:// URL',
    'both: clientSecret and clientKey exclude each other',
    'half: a login needs username and password',
    'headers: /missing: no such file',
    'type: clientCredentials must be true or false',
    'wrong: client credentials need clientId too'
  ])
})

t.test('a server at a URL may have its headers in a file', async (t) => {
  const url = 'https://a.example/mcp'
  const folder = mkdtempSync(join(tmpdir(), 'headers-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'headers')
  writeFileSync(file, 'X-A: 1\nX-B: 2\n')
  const { more } = await load(t, {
    servers: { more: { url, headersFile: file, headers: { 'x-b': '3' } } }
  })
  t.match(more, { headers: { 'X-A': '1', 'x-b': '3' } })
})
