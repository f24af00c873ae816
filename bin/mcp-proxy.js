#!/usr/bin/env node
// Starts the command, which is lib/cli, bundled by lib/cli/bundle.js.
//
// A client waits for the start, so this file is CommonJS (see package.json beside it), and Node 22.8 and
// later keep the compiled code for the next start.

const { enableCompileCache } = require('node:module')

enableCompileCache?.()

const { main } = require('../dist/cli.cjs')

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code
})
