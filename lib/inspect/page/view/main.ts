// Starts the page.

import { render } from 'preact'
import { App } from './app.ts'
import { connect } from './connection.ts'
import { html } from './html.ts'
import { listenToKeys } from './keyboard.ts'
import { Page } from './page.ts'

// The URL has a token, which is used up now.
history.replaceState(null, '', location.pathname)

// The heads of the columns must be over the columns, and a scroll bar may take some of the width.
const probe = document.createElement('div')
probe.className = 'scrollbar-probe'
document.body.append(probe)
document.documentElement.style.setProperty('--scrollbar', `${100 - probe.clientWidth}px`)
probe.remove()

const root = document.getElementById('root') as HTMLElement
const page = new Page((page) => render(html`<${App} page=${page} />`, root))
listenToKeys(page)
connect(page)
page.redraw()
