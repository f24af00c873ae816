// Compiles the schemas ahead of time: node spec/schema/compile.js
//
// A run of the proxy then neither loads a compiler nor needs eval. What comes out must stand alone,
// so keywords for which ajv wants its own code at run time (minLength, uniqueItems, format, and
// const or enum with objects in them) are refused.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import standalone from 'ajv/dist/standalone/index.js'

const revisions = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']

/** What is exported under which name. Without a definition it is the whole schema. */
const validators = [
  ...['Request', 'Notification', 'ResultResponse', 'ErrorResponse'].map((kind) => ({
    file: 'jsonrpc.json',
    definition: `JSONRPC${kind}`,
    name: `JSONRPC${kind}`
  })),
  ...revisions.flatMap((revision) =>
    ['InitializeRequest', 'InitializeResult'].map((definition) => ({
      file: `${revision}.json`,
      definition,
      name: `${definition}_${revision.replaceAll('-', '_')}`
    }))
  ),
  ...(existsSync(new URL('config.json', import.meta.url))
    ? [{ file: 'config.json', name: 'config', allErrors: true }]
    : [])
]

const target = new URL('../../lib/schema/compiled.js', import.meta.url)

// Not the class that knows all of the draft: what it does for `unevaluatedProperties` and `$dynamicRef`
// it does in each schema, and the envelope's is run for each frame. No schema of ours has them.
const ajv = new Ajv({
  allowUnionTypes: true,
  validateSchema: false,
  code: { source: true, esm: true }
})

for (const file of new Set(validators.map(({ file }) => file))) {
  ajv.addSchema(JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')), file)
}

const exported = {}
for (const { file, definition, name, allErrors = false } of validators) {
  exported[name] = definition === undefined ? file : `${file}#/$defs/${definition}`
  // Read at each compilation. The names that two compilers make up would collide in one file.
  ajv.opts.allErrors = allErrors
  if (ajv.getSchema(exported[name]) === undefined) throw new Error(`no schema ${exported[name]}`)
}

const code = standalone.default(ajv, exported)
const needed = /\brequire\("([^"]+)"\)/.exec(code)
if (needed) throw new Error(`a schema uses a keyword that needs ${needed[1]} at run time`)

mkdirSync(new URL('.', target), { recursive: true })
// What is generated is not ours to cover: the schemas have a test for every definition.
const head = '// Made by spec/schema/compile.js.\n/* c8 ignore start */\n'
writeFileSync(target, `${head}${code}\n`)
