// A client of the traffic page, in a process of its own as a browser is. It opens the page, then reads
// the event stream and parses the entries, as the page does: node page.js URL

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { fileURLToPath } from 'node:url'
import { withDeadline } from '../deadline.js'

const file = fileURLToPath(import.meta.url)

/**
 * Opens the page. Resolves, when its first entries have come, to a function that closes it.
 * @param log the log of a proxy with --inspect
 */
export async function openPage(log) {
  const [, url] = /inspect: (http:\S+)/.exec(log) ?? []
  if (url === undefined) throw new Error(`no URL of the page: ${log}`)
  const reader = fork(file, [url])
  const close = () => void reader.kill()
  try {
    await withDeadline(10_000, 'opening the traffic page', once(reader, 'message'))
    return close
  } catch (error) {
    close()
    throw error
  }
}

function read(url) {
  get(url, (page) => {
    const [cookie] = page.headers['set-cookie'][0].split(';')
    page.resume().on('end', () => {
      get(`${url.replace(/\?.*/, '')}events`, { headers: { cookie } }, onStream)
    })
  })
}

function onStream(stream) {
  let text = ''
  let entries = 0
  stream.setEncoding('utf8').on('data', (chunk) => {
    const events = (text + chunk).split('\n\n')
    text = events.pop()
    for (const event of events) {
      const [, data] = /^data: (\[.*)$/m.exec(event) ?? []
      if (data === undefined) continue
      if (entries === 0) process.send('open')
      entries += JSON.parse(data).length
    }
  })
}

if (process.argv[1] === file) {
  process.on('disconnect', () => process.exit())
  read(process.argv[2])
}
