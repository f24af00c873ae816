// Bundles the command, with most of what it needs, into one file: node lib/cli/bundle.js
//
// An MCP client waits for the command to start, each time. Node opens one file sooner than sixty, and
// CommonJS sooner than modules; in it each part still runs only when it is asked for. `npm run bench`
// tells what that is worth.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))

// undici would load it for nothing: we allow HTTP/1.1 only. It gets what it makes do with where there
// is none.
const withoutHttp2 = {
  name: 'without http2',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:http2$/ }, ({ path }) => ({ path, namespace: 'none' }))
    onLoad({ filter: /./, namespace: 'none' }, () => ({
      contents: 'module.exports = { constants: {} }'
    }))
  }
}

const { metafile } = await build({
  entryPoints: [pathOf('main.ts')],
  outfile: pathOf('../../dist/cli.cjs'),
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20.18',
  minifyWhitespace: true,
  minifySyntax: true,
  metafile: true,
  logLevel: 'warning',
  plugins: [withoutHttp2],
  // Seldom needed, and a module.
  external: ['oauth4webapi']
})

// Whatever is in the file came under a licence that wants to be with it.
const packages = new Set(
  Object.keys(metafile.inputs).flatMap((file) => /^node_modules\/[^/]+/.exec(file) ?? [])
)
const notices = [...packages].sort().map((directory) => {
  const { name, version } = JSON.parse(readFileSync(`${directory}/package.json`, 'utf8'))
  const licence = readdirSync(directory).find((file) => /^licen[cs]e/i.test(file))
  return `${name} ${version}\n\n${readFileSync(`${directory}/${licence}`, 'utf8').trim()}\n`
})
writeFileSync(pathOf('../../dist/cli.cjs.LICENSES.txt'), notices.join(`\n${'-'.repeat(80)}\n\n`))
