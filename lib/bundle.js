// Bundles `dist`: the library, the command, and the packages that few runs load. `node lib/bundle.js`
//
// An MCP client waits for the command to start, each time. Node loads one file faster than sixty, and
// CommonJS faster than ES modules. An `import()` in the bundle still runs its part only when it is
// called. `npm run bench -- start` measures it.
//
// A package that few runs load becomes a file: `import('oauth4webapi')` loads `dist/oauth4webapi.js`.
// So users do not install its types, nor the parts that the proxy does not use.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))

const loadedOnDemand = ['jose', 'oauth4webapi', 'prom-client']

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

// The rest of prom-client loads packages for what the proxy does not use.
const partsOfPromClient = {
  name: 'the used parts of prom-client',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^prom-client$/ }, ({ path }) => ({ path, namespace: 'parts' }))
    onLoad({ filter: /./, namespace: 'parts' }, () => ({
      contents: `module.exports = {
        Registry: require('prom-client/lib/registry.js'),
        Counter: require('prom-client/lib/counter.js'),
        Gauge: require('prom-client/lib/gauge.js')
      }`,
      resolveDir: pathOf('.')
    }))
  }
}

const fromOwnFiles = {
  name: 'packages from files of their own',
  setup({ onResolve }) {
    const filter = new RegExp(`^(${loadedOnDemand.join('|')})$`)
    onResolve({ filter }, ({ path }) => ({ path: `./${path}.js`, external: true }))
  }
}

const options = {
  outdir: pathOf('../dist'),
  bundle: true,
  platform: 'node',
  target: 'node20.18',
  // Names stay as they are, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  metafile: true,
  logLevel: 'warning'
}

const bundles = await Promise.all([
  build({
    ...options,
    entryPoints: [pathOf('index.ts')],
    format: 'esm',
    splitting: true,
    packages: 'external',
    plugins: [fromOwnFiles]
  }),
  build({
    ...options,
    entryPoints: { cli: pathOf('cli/command.ts') },
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    // It shares the SDK of the operator, so it is the operator's too.
    external: ['@opentelemetry/api'],
    plugins: [withoutHttp2, fromOwnFiles]
  }),
  build({
    ...options,
    entryPoints: Object.fromEntries(loadedOnDemand.map((name) => [name, name])),
    format: 'esm',
    plugins: [partsOfPromClient],
    // A CommonJS package loads the modules of Node with `require`, which an ES module does not have.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
    }
  })
])

// The licences of the bundled packages, which must come with the bundles.
const packages = new Set(
  bundles
    .flatMap(({ metafile }) => Object.keys(metafile.inputs))
    .flatMap((file) => /^node_modules\/[^/]+/.exec(file) ?? [])
)
const notices = [...packages].sort().map((directory) => {
  const { name, version } = JSON.parse(readFileSync(`${directory}/package.json`, 'utf8'))
  const licence = readdirSync(directory).find((file) => /^licen[cs]e/i.test(file))
  return `${name} ${version}\n\n${readFileSync(`${directory}/${licence}`, 'utf8').trim()}\n`
})
writeFileSync(pathOf('../dist/LICENSES.txt'), notices.join(`\n${'-'.repeat(80)}\n\n`))
