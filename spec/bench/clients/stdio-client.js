// A client that starts a process and speaks to it over stdin and stdout.

import { spawn } from 'node:child_process'
import { Client } from './client.js'
import { PendingRequests } from './pending-requests.js'

export class StdioClient extends Client {
  #pending = new PendingRequests()

  /** @param args [command, ...arguments] */
  constructor(args) {
    super()
    const [command, ...rest] = args
    this.process = spawn(command, rest, { stdio: ['pipe', 'pipe', 'ignore'] })
    this.process.stdout.on('data', (chunk) => this.#pending.feed(chunk))
    this.process.stdin.on('error', () => {})
  }

  send(body, id) {
    this.process.stdin.write(`${body}\n`)
    return id === undefined ? undefined : this.#pending.add(id)
  }

  notify(body) {
    this.send(body)
  }

  close() {
    this.process.stdin.end()
  }
}
