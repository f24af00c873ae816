#!/usr/bin/env node
// Starts the command. All of it is in lib/cli, bundled by lib/cli/bundle.js.
//
// CommonJS (see package.json beside this), and what V8 has compiled is kept for the next time where
// Node can do that (22.8 and later): a client waits for us to start.

const { enableCompileCache } = require('node:module')

enableCompileCache?.()

const { main } = require('../dist/cli.cjs')

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code
})
