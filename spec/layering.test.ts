// Checks the layers of lib against the map in lib/README.md, a table of folders and what each may
// import. The map must name every folder, every import must be allowed, imports must not form a
// circle, and files and folders must stay small.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../lib', import.meta.url))
const maxLines = 350
const maxFiles = 20

/** Paths relative to lib. `index.ts` exports from all folders, so it belongs to no folder. */
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && file !== 'index.ts')

/** Folder → the folders that it may import from, in the order of the table. */
const map = new Map<string, string[]>()
for (const line of readFileSync(path.join(root, 'README.md'), 'utf8').split('\n')) {
  const [, folder, , allowed] = line.split('|').map((cell) => cell.trim())
  const name = /^`(.+)\/`$/.exec(folder ?? '')?.[1]
  if (name === undefined || allowed === undefined) continue
  const names = allowed.split(',').map((folder) => folder.trim().replace(/\/$/, ''))
  map.set(name, names.filter(Boolean))
}

const folderOf = (file: string): string =>
  file.includes('/') ? (file.split('/')[0] as string) : '.'

function importsOf(file: string): string[] {
  const text = readFileSync(path.join(root, file), 'utf8')
  const found = text.matchAll(/\b(?:from|import) ?\(?'(\.{1,2}\/[^']+)'/g)
  return [...found].map(([, target = '']) => path.posix.join(path.posix.dirname(file), target))
}

t.test('the map names every folder of lib and no other', async (t) => {
  const folders = readdirSync(root).filter((name) => statSync(path.join(root, name)).isDirectory())
  t.strictSame([...map.keys()].sort(), ['.', ...folders].sort())
})

t.test('the map lets a folder import only from folders above it', async (t) => {
  const above: string[] = []
  for (const [folder, allowed] of map) {
    for (const name of allowed) t.ok(above.includes(name), `${folder} may import ${name}`)
    above.push(folder)
  }
})

t.test('the map allows every import', async (t) => {
  for (const file of files) {
    const own = folderOf(file)
    for (const target of importsOf(file)) {
      const other = folderOf(target)
      if (other !== own) t.ok(map.get(own)?.includes(other), `${file} imports ${target}`)
    }
  }
})

t.test('files do not import each other in a circle', async (t) => {
  const state = new Map<string, 'visiting' | 'visited'>()
  const visit = (file: string, trail: string[]): void => {
    if (state.get(file) === 'visited' || !files.includes(file)) return
    if (state.get(file) === 'visiting') {
      t.fail(`a circle: ${[...trail, file].join(' > ')}`)
      return
    }
    state.set(file, 'visiting')
    for (const target of importsOf(file)) visit(target, [...trail, file])
    state.set(file, 'visited')
  }
  for (const file of files) visit(file, [])
  t.equal(state.size, files.length)
})

t.test('files and folders stay small', async (t) => {
  for (const file of files) {
    const lines = readFileSync(path.join(root, file), 'utf8').split('\n').length - 1
    t.ok(lines <= maxLines, `${file} has ${lines} lines, at most ${maxLines}`)
  }
  for (const folder of map.keys()) {
    const count = files.filter((file) => path.posix.dirname(file) === folder).length
    t.ok(count <= maxFiles, `${folder} has ${count} files, at most ${maxFiles}`)
  }
})
