// Compiles the schemas ahead of time: node spec/schema/compile.js
//
// A run of the proxy then neither loads a compiler nor needs eval. What comes out must stand alone,
// so keywords for which ajv wants its own code at run time (minLength, uniqueItems, format, and
// const or enum with objects in them) are refused.

import { readFileSync, writeFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import standalone from 'ajv/dist/standalone/index.js'

const revisions = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']

/** The files to write, and what each exports. Without a definition a validator is the whole schema. */
const targets = {
  '../../lib/message/compiled.js': [
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
    )
  ],
  '../../lib/config/compiled.js': [{ file: 'config.json', name: 'configFile', allErrors: true }]
}

for (const [target, validators] of Object.entries(targets)) {
  writeFileSync(new URL(target, import.meta.url), compile(validators, target.includes('message')))
}

/** @param brief whether faults have only `instancePath` and `message` */
function compile(validators, brief) {
  // Not the class that knows all of the draft: it checks each schema for `unevaluatedProperties` and
  // `$dynamicRef`, which slows down the envelope's validator, and that one runs for each frame.
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
    // ajv reads this option at each compilation.
    ajv.opts.allErrors = allErrors
    if (ajv.getSchema(exported[name]) === undefined) throw new Error(`no schema ${exported[name]}`)
  }
  const code = standalone.default(ajv, exported)
  const needed = /\brequire\("([^"]+)"\)/.exec(code)
  if (needed) throw new Error(`a schema uses a keyword that needs ${needed[1]} at run time`)
  // Of a fault in a message, the proxy reads only the place and the text. Without the rest, the code is
  // smaller, and needs no schema at run time.
  const read = brief
    ? code.replace(/,schemaPath:"[^"]*",keyword:"[^"]*",params:\{[^{}]*\}/g, '')
    : code
  if (brief && /schemaPath|(schema\d+)\b.*\b\1\b/s.test(read)) throw new Error('it uses a schema')
  // Generated code is not covered: the schemas have a test for every definition.
  return `// Made by spec/schema/compile.js.\n/* c8 ignore start */\n${read}\n`
}
