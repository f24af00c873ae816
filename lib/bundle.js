// Bundles the command, with most of what it needs, into one file: node lib/bundle.js
//
// An MCP client waits for the command to start, each time. Node loads one file faster than sixty, and
// CommonJS faster than ES modules. An `import()` in the bundle still runs its part only when it is
// called. `npm run bench -- start` measures it.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))

// undici loads node:http2, but the proxy uses HTTP/1.1 only. This is the module that undici makes for
// itself on a Node without it.
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
  entryPoints: [pathOf('cli/command.ts')],
  outfile: pathOf('../dist/cli.cjs'),
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20.18',
  minifyWhitespace: true,
  minifySyntax: true,
  metafile: true,
  logLevel: 'warning',
  plugins: [withoutHttp2],
  // Rarely needed, and only an ES module.
  external: ['oauth4webapi']
})

// The licences of the bundled packages, which must come with the bundle.
const packages = new Set(
  Object.keys(metafile.inputs).flatMap((file) => /^node_modules\/[^/]+/.exec(file) ?? [])
)
const notices = [...packages].sort().map((directory) => {
  const { name, version } = JSON.parse(readFileSync(`${directory}/package.json`, 'utf8'))
  const licence = readdirSync(directory).find((file) => /^licen[cs]e/i.test(file))
  return `${name} ${version}\n\n${readFileSync(`${directory}/${licence}`, 'utf8').trim()}\n`
})
writeFileSync(pathOf('../dist/cli.cjs.LICENSES.txt'), notices.join(`\n${'-'.repeat(80)}\n\n`))
