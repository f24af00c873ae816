// Installs and runs the official conformance suite.
//
// The suite needs Node 22 and this project does not, so the suite is no dependency. The first run
// installs it into a cache below node_modules, together with a later Node where that is needed.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const suite = { name: '@modelcontextprotocol/conformance', version: '0.2.0-alpha.12' }
const os = process.platform === 'win32' ? 'win' : process.platform
const laterNode = { name: `node-${os}-${process.arch}`, version: '24' }
const needsNode = 22

const cache = fileURLToPath(new URL('../../node_modules/.cache/conformance', import.meta.url))
const modules = join(cache, 'node_modules')
const run = promisify(execFile)

/** Installs the suite if it is missing, and resolves to it. */
export async function prepareSuite() {
  const runsHere = Number(process.versions.node.split('.')[0]) >= needsNode
  const wanted = runsHere ? [suite] : [suite, laterNode]
  const missing = wanted.filter(({ name }) => !existsSync(join(modules, name)))
  if (missing.length > 0) {
    const names = missing.map(({ name, version }) => `${name}@${version}`)
    console.error(`Installing ${names.join(' and ')}`)
    await mkdir(cache, { recursive: true })
    const npm = ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', cache, ...names]
    await run('npm', npm, { shell: process.platform === 'win32' })
  }
  return new Suite(runsHere ? process.execPath : join(modules, laterNode.name, 'bin', 'node'))
}

class Suite {
  #node

  constructor(node) {
    this.#node = node
  }

  /**
   * Resolves to the names of scenarios: those that the revision requires as `server` and `client`, and
   * the client scenarios that do not count as `unscored`.
   */
  async requirements(revision) {
    const { parse } = createRequire(join(modules, suite.name, 'dist', 'index.js'))('yaml')
    const file = join(modules, suite.name, 'requirements', `${revision}.yaml`)
    const { server, client, not_scored: rest } = parse(await readFile(file, 'utf8'))
    const unscored = rest.filter(({ leg }) => leg === 'client').map(({ scenario }) => scenario)
    return { server, client, unscored }
  }

  /** Runs all scenarios of the revision against a server. Resolves to { checks }: scenario → checks. */
  testServer(url, revision) {
    return this.#run(['server', '--url', url, '--requirements', revision], 'server-')
  }

  /**
   * Runs one scenario against a client and resolves to { checks, failed }. The suite adds the URL of its
   * server to the command of the client.
   */
  async testClient(command, scenario, revision) {
    // Scenarios of extensions belong to no revision, so the suite wants `--force` to run them.
    const args = [
      '--command',
      command,
      '--scenario',
      scenario,
      '--spec-version',
      revision,
      '--force'
    ]
    const { checks, failed } = await this.#run(['client', ...args], '')
    return { checks: checks.get(scenario) ?? [], failed }
  }

  // The suite writes the checks of each scenario to a file. It exits with an error if one fails.
  async #run(args, prefix) {
    const results = await mkdtemp(join(tmpdir(), 'conformance-'))
    try {
      const main = join(modules, suite.name, 'dist', 'index.js')
      const options = { maxBuffer: Infinity }
      const ended = run(this.#node, [main, ...args, '-o', results], options)
      const failed = await ended.then(
        () => false,
        () => true
      )
      const checks = new Map()
      // A scenario with a slash in its name has a directory in a directory. One that crashed has no file.
      const files = await readdir(results, { recursive: true })
      for (const file of files.filter((path) => basename(path) === 'checks.json')) {
        const directory = dirname(file).replaceAll(sep, '/')
        const name = directory.slice(prefix.length).replace(/-\d{4}-\d{2}-\d{2}T.*$/, '')
        checks.set(name, JSON.parse(await readFile(join(results, file), 'utf8')))
      }
      return { checks, failed }
    } finally {
      await rm(results, { recursive: true, force: true })
    }
  }
}
