// The smallest MCP server over stdio: node stdio-server.js

import { respond } from './responses.js'

let rest = ''
process.stdin
  .setEncoding('utf8')
  .on('data', (chunk) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()
    const output = lines.map((line) => respond(line) ?? '').join('')
    if (output !== '') process.stdout.write(output)
  })
  .on('end', () => process.exit())
