#!/usr/bin/env node
// Starts the command. All of it is in lib/cli.

import { main } from '../dist/cli/main.js'

process.exitCode = await main(process.argv.slice(2))
