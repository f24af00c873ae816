// Bundles `dist`: the library, the command, and the packages that few runs load. `node lib/bundle.js`
//
// An MCP client waits for the command to start, each time. Node loads one file faster than sixty, and a
// script faster than ES modules; bin/mcp-proxy.js keeps the compiled code of the script for the next
// start. An `import()` in the bundle still runs its part only when it is called. `npm run bench -- start`
// measures it.
//
// A package that few runs load becomes a file: `import('oauth4webapi')` loads `dist/oauth4webapi.cjs`.
// So users do not install its types, nor the parts that the proxy does not use.
//
// The traffic page is one HTML file with its script, its style and its libraries in it.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const { resolve } = createRequire(import.meta.url)
const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))

// Parts of undici that the command does not need, or that start slowly, and what replaces them. The command
// sends bytes and strings over HTTP/1.1, and reaches no SOCKS proxy.
const replacedParts = {
  'lib/dispatcher/client-h2.js': `module.exports = () => { throw new Error('no HTTP/2') }`,
  'lib/dispatcher/socks5-proxy-agent.js': `module.exports = class {}`,
  // undici fills its table of header names at the start. This table learns them one by one.
  'lib/core/tree.js': replaceIn(
    'lib/core/tree.js',
    /\nfor \(let i = 0; i < wellknownHeaderNames.length; [^}]*}\n/,
    `
    tree.lookup = (key) => TernarySearchTree.prototype.lookup.call(tree, key) ?? learn(key)
    function learn(key) {
      const name = headerNameLowerCasedRecord[key.toString('latin1').toLowerCase()]
      if (name !== undefined) tree.insert(name, name)
      return name
    }`
  ),
  // undici computes these tables at the start, and most of them are for its tests.
  'lib/llhttp/constants.js': `module.exports = ${JSON.stringify(await llhttpConstants())}`,
  'lib/web/fetch/body.js': `exports.extractBody = () => { throw new TypeError('not a body') }`,
  // The file is smaller than its text in base64, and V8 does not read it at each start.
  'lib/llhttp/llhttp_simd-wasm.js': fileBesideBundle('llhttp_simd.wasm'),
  'lib/llhttp/llhttp-wasm.js': fileBesideBundle('llhttp.wasm')
}

// Modules of Node that undici loads at start, and what it uses of them.
const replacedModules = {
  'node:assert': `
    module.exports = (value, message) => { if (!value) require('assert').ok(value, message) }`,
  // The default is that of Node, which changes only with this flag.
  'node:http': `
    const given = [...process.execArgv, process.env.NODE_OPTIONS].join(' ')
    const maxHeaderSize = /max.http.header.size/.test(given) ? require('http').maxHeaderSize : 16384
    module.exports = { maxHeaderSize, IncomingMessage: class {} }`
}

function replaceIn(part, pattern, replacement) {
  const code = readFileSync(resolve(`undici/${part}`), 'utf8')
  if (!pattern.test(code)) throw new Error(`${part} has changed`)
  return code.replace(pattern, () => replacement)
}

async function llhttpConstants() {
  const { TYPE, ERROR } = await import(resolve('undici/lib/llhttp/constants.js'))
  return { TYPE, ERROR }
}

function fileBesideBundle(name) {
  return `module.exports = require('fs').readFileSync(require('path').join(__dirname, '${name}'))`
}

const lightUndici = {
  name: 'what the command uses of undici',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:(assert|http)$/ }, ({ path, importer }) =>
      /[\\/]undici[\\/]/.test(importer) ? { path, namespace: 'light' } : undefined
    )
    onLoad({ filter: /./, namespace: 'light' }, ({ path }) => ({ contents: replacedModules[path] }))
    onLoad({ filter: /[\\/]undici[\\/]lib[\\/]/ }, ({ path }) => {
      const [, part] = /[\\/]undici[\\/](lib[\\/].*)$/.exec(path)
      const contents = replacedParts[part.replaceAll('\\', '/')]
      return contents === undefined ? undefined : { contents }
    })
  }
}

// What the proxy uses of them. The rest is left out, with the packages that it loads.
const usedParts = {
  jose: `export { createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose'`,
  oauth4webapi: `export {
    PrivateKeyJwt, allowInsecureRequests, authorizationCodeGrantRequest, calculatePKCECodeChallenge,
    clientCredentialsGrantRequest, clockTolerance, customFetch, deviceAuthorizationRequest,
    deviceCodeGrantRequest, dynamicClientRegistrationRequest, generateRandomCodeVerifier,
    generateRandomState, modifyAssertion, processAuthorizationCodeResponse,
    processClientCredentialsResponse, processDeviceAuthorizationResponse, processDeviceCodeResponse,
    processRefreshTokenResponse, processRevocationResponse, refreshTokenGrantRequest,
    revocationRequest, validateAuthResponse
  } from 'oauth4webapi'`,
  'prom-client': `module.exports = {
    Registry: require('prom-client/lib/registry.js'),
    Counter: require('prom-client/lib/counter.js'),
    Gauge: require('prom-client/lib/gauge.js')
  }`
}

const loadedOnDemand = Object.keys(usedParts)

const onlyUsedParts = {
  name: 'the used parts of packages',
  setup({ onResolve, onLoad }) {
    const filter = new RegExp(`^(${loadedOnDemand.join('|')})$`)
    onResolve({ filter }, ({ path, kind }) =>
      kind === 'entry-point' ? { path, namespace: 'parts' } : undefined
    )
    onLoad({ filter: /./, namespace: 'parts' }, ({ path }) => ({
      contents: usedParts[path],
      resolveDir: pathOf('.')
    }))
  }
}

const fromOwnFiles = {
  name: 'packages from files of their own',
  setup({ onResolve }) {
    const filter = new RegExp(`^(${loadedOnDemand.join('|')})$`)
    onResolve({ filter }, ({ path }) => ({ path: `./${path}.cjs`, external: true }))
  }
}

// The page of --inspect is beside the bundle.
const pageBesideBundle = {
  name: 'the page beside the bundle',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]inspect[\\/]page-file\.ts$/ }, () => ({
      contents: "export const pageFile = require('node:path').join(__dirname, 'inspect.html')"
    }))
  }
}

const options = {
  outdir: pathOf('../dist'),
  bundle: true,
  platform: 'node',
  target: 'node20.18',
  // The names of our own code stay as they are, for stack traces.
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
    // For `npm run bench -- instructions`. The bundle does not refer to it, and npm does not pack it.
    sourcemap: 'external',
    sourcesContent: false,
    // Node 20 cannot import from a script whose compiled code was kept.
    supported: { 'dynamic-import': false },
    // bin runs it as a script, whose value is a function with the parameters of a CommonJS module.
    banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
    footer: { js: '})' },
    // It shares the SDK of the operator, so it is the operator's too.
    external: ['@opentelemetry/api'],
    plugins: [lightUndici, fromOwnFiles, pageBesideBundle]
  }),
  build({
    ...options,
    entryPoints: Object.fromEntries(loadedOnDemand.map((name) => [name, name])),
    // Both bundles load them: `import` and `require` take CommonJS on every version of Node.
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    plugins: [onlyUsedParts],
    minifyIdentifiers: true
  }),
  buildPage()
])

async function buildPage() {
  const directory = pathOf('inspect/page/view')
  const { outputFiles, metafile } = await build({
    entryPoints: [`${directory}/main.ts`, `${directory}/page.css`],
    outdir: '/',
    write: false,
    bundle: true,
    minify: true,
    format: 'iife',
    target: ['chrome111', 'firefox113', 'safari16.4'],
    // The script is inside of HTML, so it must not have the end tag. ASCII works in any encoding.
    charset: 'ascii',
    metafile: true,
    logLevel: 'warning'
  })
  const textOf = (ending) => outputFiles.find(({ path }) => path.endsWith(ending)).text.trim()
  const style = textOf('page.css')
  const script = textOf('main.js')
  for (const text of [style, script]) {
    if (/<\/(script|style)|<!--/i.test(text)) throw new Error('the page would end too early')
  }
  const page = readFileSync(`${directory}/page.html`, 'utf8')
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script></script>', () => `<script>${script}</script>`)
  mkdirSync(pathOf('../dist'), { recursive: true })
  writeFileSync(pathOf('../dist/inspect.html'), page)
  return { metafile }
}

for (const name of ['llhttp', 'llhttp_simd']) {
  const { default: bytes } = await import(resolve(`undici/lib/llhttp/${name}-wasm.js`))
  writeFileSync(pathOf(`../dist/${name}.wasm`), bytes)
}

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
