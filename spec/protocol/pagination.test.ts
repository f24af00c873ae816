// Reading a list in pages, and where that ends.

import t from 'tap'
import { Pagination } from '../../lib/protocol/pagination.ts'

t.test('the next page is the one that the result names', async (t) => {
  const pages = new Pagination()
  t.equal(pages.next('a'), 'a')
  t.equal(pages.next(''), '', 'an empty cursor is a cursor')
  t.equal(pages.next(undefined), undefined)
  t.equal(pages.fault, undefined)
})

t.test('a cursor that came before cuts the list short', async (t) => {
  const pages = new Pagination()
  for (const cursor of ['a', 'b', 'c']) t.equal(pages.next(cursor), cursor)
  t.equal(pages.next('a'), undefined)
  t.equal(pages.fault, 'the server sent a cursor a second time')
})

t.test('a list is cut short after a thousand pages', async (t) => {
  const pages = new Pagination()
  let count = 1
  while (pages.next(String(count)) !== undefined) count++
  t.equal(count, 1000)
  t.equal(pages.fault, 'it has more than 1000 pages')
})

t.test('a cursor of more than 64 KiB cuts the list short', async (t) => {
  const pages = new Pagination()
  const longest = 'x'.repeat(65_536)
  t.equal(pages.next(longest), longest)
  t.equal(pages.next(`${longest}x`), undefined)
  t.equal(pages.fault, 'a cursor is over 65536 characters')
})
