// The keys of the page: / for the filter, arrows for the list, Esc to go back.

import type { Page } from './page.ts'

/** How many rows PageUp and PageDown move. */
const pageRows = 20

export function listenToKeys(page: Page): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const target = event.target as HTMLElement
    const isText = target instanceof HTMLInputElement
    if (event.key === 'Escape') return goBack(page, target)
    if (isText) {
      if (target.id !== 'filter' || (event.key !== 'Enter' && event.key !== 'ArrowDown')) return
      event.preventDefault()
      document.getElementById('list')?.focus()
      return page.move(1)
    }
    const action = actionOf(page, event.key, target)
    if (action === undefined) return
    event.preventDefault()
    action()
  })
}

function actionOf(page: Page, key: string, target: HTMLElement): (() => void) | undefined {
  if (key === '/')
    return () => focusOn(page.parts.length > 0 && inDetail(target) ? 'json-search' : 'filter')
  // The arrows scroll a tree of JSON that has the focus.
  if (inDetail(target)) return undefined
  switch (key) {
    case 'ArrowDown':
    case 'j':
      return () => page.move(1)
    case 'ArrowUp':
    case 'k':
      return () => page.move(-1)
    case 'PageDown':
      return () => page.move(pageRows)
    case 'PageUp':
      return () => page.move(-pageRows)
    case 'Home':
      return () => page.move(-Infinity)
    case 'End':
      return () => {
        page.follow = true
        page.redraw()
      }
    default:
      return undefined
  }
}

const inDetail = (target: HTMLElement): boolean => target.closest('.detail') !== null

function focusOn(id: string): void {
  const input = document.getElementById(id) as HTMLInputElement | null
  input?.focus()
  input?.select()
}

/** Leaves the innermost thing: the selected message, the filter, the session. */
function goBack(page: Page, target: HTMLElement): void {
  if (target.id === 'filter' && page.filter !== '') page.filter = ''
  else if (page.parts.length > 0 || page.selected !== undefined) {
    page.select(undefined)
    return document.getElementById('list')?.focus()
  } else {
    page.filter = ''
    page.errorsOnly = false
    page.session = undefined
    page.range = undefined
    page.follow = true
  }
  page.applyFilter()
}
