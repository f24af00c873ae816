// What the documents point at exists: headings, files, npm scripts.

import { existsSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { anchorsOf, proseOf, read, root } from './markdown.ts'

const documents = ['README.md', 'lib/README.md', 'lib/cli/README.md', 'CONTRIBUTING.md']
documents.push('SECURITY.md', 'CHANGELOG.md')

t.test('links lead to files and headings that exist', async (t) => {
  for (const document of documents) {
    const links = [...proseOf(read(document)).matchAll(/\]\(([^)]*)\)/g)]
    for (const [, link = ''] of links) {
      if (link.startsWith('https://')) continue
      const [target = '', heading] = link.split('#')
      const file = target === '' ? document : path.join(path.dirname(document), target)
      if (!t.ok(existsSync(`${root}${file}`), `${document}: ${link}`)) continue
      if (heading !== undefined) t.ok(anchorsOf(read(file)).has(heading), `${document}: ${link}`)
    }
  }
})

t.test('files that are named exist', async (t) => {
  const folders = /(?<![\w./-])((?:\.ci|bin|dist|fixtures|lib|spec)\/[\w./-]*\w)/g
  for (const document of documents) {
    for (const [, file] of read(document).matchAll(folders)) {
      t.ok(existsSync(`${root}${file}`), `${document}: ${file}`)
    }
  }
  for (const [, file] of read('lib/README.md').matchAll(/`([\w-]+\/[\w/-]+\.ts)`/g)) {
    t.ok(existsSync(`${root}lib/${file}`), `lib/README.md: ${file}`)
  }
})

t.test('npm scripts that are named exist', async (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  for (const document of documents) {
    const named = read(document).matchAll(/(?:^|`)npm (?:run )?([a-z:]+)/gm)
    for (const [, script = ''] of named) {
      if (['install', 'pack'].includes(script)) continue
      t.ok(Object.hasOwn(scripts, script), `${document}: npm run ${script}`)
    }
  }
})
