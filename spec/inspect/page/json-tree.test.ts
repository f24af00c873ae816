// JSON as a tree that opens step by step.

import t from 'tap'
import { childrenOf, linesOf, rootOf } from '../../../lib/inspect/page/model/json-nodes.ts'
import type { JsonNode } from '../../../lib/inspect/page/model/json-nodes.ts'
import { JsonTree, maxFinds } from '../../../lib/inspect/page/model/json-tree.ts'

const root = (text: string): JsonNode => rootOf(text) as JsonNode
const partsOf = (text: string): string[] =>
  childrenOf(text, root(text)).map(
    ({ key, kind, start, end }) => `${key} ${kind} ${text.slice(start, end)}`
  )

t.test('the parts of a text are shown as they are', async (t) => {
  t.strictSame(partsOf(' { "a" : 1.0 , "a":"x\\"}\\\\","b":[{},"]"],"c":{"d":null} , "e": true}'), [
    '"a" number 1.0',
    '"a" string "x\\"}\\\\"',
    '"b" array [{},"]"]',
    '"c" object {"d":null}',
    '"e" word true'
  ])
  t.strictSame(partsOf('[1, -2,"x",[]]'), [
    '0 number 1',
    '1 number -2',
    '2 string "x"',
    '3 array []'
  ])
  t.strictSame(partsOf('{}'), [])
  t.strictSame(partsOf('"x"'), [])
  t.equal(rootOf('  '), undefined)
})

t.test('a text that is cut anywhere ends', async (t) => {
  const text = '{"a":[1,{"b":"x\\n"}],"c":"long","d":tru}'
  for (let end = 0; end <= text.length; end++) {
    const tree = new JsonTree(text.slice(0, end))
    t.ok(tree.rows.length < 20)
  }
  for (const wrong of ['{,,}', '[:]', '{"a" 1}', '{x', 'x'.repeat(10_000), '{"a":', '[1']) {
    t.ok(new JsonTree(wrong).rows.length > 0, wrong.slice(0, 10))
  }
  t.strictSame(linesOf('"abc', root('"abc')), ['"abc'])
})

const shown = (tree: JsonTree): string[] =>
  tree.rows.map(({ depth, node: { key = '' }, fold = '', size = '', close = '', line = '' }) =>
    `${' '.repeat(depth)}${key} ${fold} ${size}${close}${line}`.trimEnd()
  )

t.test('nodes open and close', async (t) => {
  const tree = new JsonTree('{"a":{"b":[1,{}]},"c":"x\\ny"}')
  t.strictSame(shown(tree), [
    ' open',
    ' "a" open',
    '  "b" open',
    '   0',
    '   1',
    '  "b"  ]',
    ' "a"  }',
    ' "c" open',
    '  "c"  x',
    '  "c"  y',
    '  }'
  ])
  tree.toggle(tree.rows[1]?.node as JsonNode)
  t.strictSame(shown(tree).slice(0, 3), [' open', ' "a" closed 1', ' "c" open'])
  tree.toggle(tree.rows[2]?.node as JsonNode)
  t.strictSame(shown(tree), [' open', ' "a" closed 1', ' "c" closed', '  }'])
  tree.toggle(tree.rows[1]?.node as JsonNode)
  t.equal(tree.rows.length, 9)
})

t.test('a large message opens a part of itself', async (t) => {
  const many = new JsonTree(
    JSON.stringify({ list: Array.from({ length: 1000 }, () => ({ a: 1 })) })
  )
  t.equal(many.rows.length, 3)
  t.equal(new JsonTree(JSON.stringify(Array.from({ length: 1000 }, () => 1))).rows.length, 1002)
})

t.test('a deep message neither fills the stack nor takes long', async (t) => {
  const depth = 100_000
  const started = performance.now()
  const tree = new JsonTree(`${'['.repeat(depth)}"find me"${']'.repeat(depth)}`)
  t.ok(tree.rows.length < 500)
  const [offset = -1] = tree.find('FIND')
  t.equal(offset, depth + 1)
  tree.reveal(offset, 'find')
  t.ok(performance.now() - started < 5000)
})

t.test('a long string has lines', async (t) => {
  const text = JSON.stringify({ a: `one\r\n${'x'.repeat(250)}\n\nend` })
  const tree = new JsonTree(text)
  t.strictSame(
    tree.rows.flatMap(({ line }) => (line === undefined ? [] : [line.length])),
    [3, 120, 120, 10, 0, 3]
  )
})

t.test('a find opens the nodes around it', async (t) => {
  const list = Array.from({ length: 300 }, (_, index) => ({ deep: { name: `item ${index}` } }))
  const tree = new JsonTree(
    JSON.stringify({ list, text: `first\nsecond ${'y'.repeat(100)}\nneedle` })
  )
  t.strictSame(tree.find(''), [])
  t.strictSame(tree.find('nowhere'), [])
  const [offset = -1] = tree.find('item 250')
  const at = tree.reveal(offset, 'item 250')
  const row = tree.rows[at]
  t.equal(tree.text.slice(row?.node.start, row?.node.end), '"item 250"')
  const [needle = -1] = tree.find('NEEDLE')
  const line = tree.reveal(needle, 'NEEDLE')
  t.equal(tree.rows[line]?.line, 'needle')
  const [bracket = -1] = tree.find('}')
  t.ok(tree.reveal(bracket, '}') >= 0)
  t.equal(tree.reveal(tree.text.length - 1, '}'), 0)
  t.equal(new JsonTree('').reveal(0, 'x'), -1)
})

t.test('finds are counted up to a limit', async (t) => {
  t.equal(new JsonTree(`"${'a'.repeat(maxFinds)}"`).find('a').length, maxFinds)
  t.equal(new JsonTree(`"${'a'.repeat(maxFinds + 1)}"`).find('a').length, maxFinds)
})
