import t from 'tap'
import { readCallGraph, readPerfMap, sumByOwner } from './callgrind.js'

const nameAt = readPerfMap(`5000 100 JS:~old /proxy.js:1:2
6000 40 JS:*other /proxy.js:9:1
5000 20 JS:*parse /proxy.js:1:2
`)

const file = `# callgrind format
positions: instr
events: Ir
summary: 0

ob=???
fl=???
fn=0x0000000000005000
0x5000 10
0x5004 2
cob=/usr/bin/node
cfn=Builtins_Equal
calls=2 0x100
0x5004 60
0x6004 7
cfn=0x0000000000006000
calls=1 0x6000
0x5008 27

fn=0x0000000000006000
0x6000 20
cob=/usr/bin/node
cfn=Builtins_Equal
calls=1 0x100
0x6008 30
0x7000 1

ob=/usr/bin/node
fn=Builtins_Equal
0x100 40
cfn=malloc
calls=3 0x200
0x104 50

fn=malloc
0x200 50

totals: 130
`

const graph = readCallGraph(file, nameAt)

t.test('an address has the name of the last function that was compiled there', async (t) => {
  t.equal(nameAt(0x4fff), undefined)
  t.equal(nameAt(0x5000), 'JS:*parse /proxy.js:1:2')
  t.equal(nameAt(0x501f), 'JS:*parse /proxy.js:1:2')
  t.equal(nameAt(0x5020), undefined)
  t.equal(nameAt(0x603f), 'JS:*other /proxy.js:9:1')
  t.equal(nameAt(0x6040), undefined)
})

t.test('a function has its own instructions, without those of its calls', async (t) => {
  t.strictSame(
    graph.instructions,
    new Map([
      ['JS:*parse /proxy.js:1:2', 12],
      ['JS:*other /proxy.js:9:1', 27],
      ['unknown', 1],
      ['Builtins_Equal', 40],
      ['malloc', 50]
    ])
  )
})

t.test('a call counts for the function at its address', async (t) => {
  t.strictSame(
    graph.callers,
    new Map([
      [
        'Builtins_Equal',
        new Map([
          ['JS:*parse /proxy.js:1:2', 60],
          ['JS:*other /proxy.js:9:1', 30]
        ])
      ],
      ['JS:*other /proxy.js:9:1', new Map([['JS:*parse /proxy.js:1:2', 27]])],
      ['malloc', new Map([['Builtins_Equal', 50]])]
    ])
  )
})

t.test('callers share what has no owner, in proportion to their calls', async (t) => {
  t.strictSame(
    sumByOwner(graph, (name) => name.startsWith('JS:')),
    new Map([
      ['JS:*parse /proxy.js:1:2', 12 + (40 * 60) / 90 + (50 * 60) / 90],
      ['JS:*other /proxy.js:9:1', 27 + (40 * 30) / 90 + (50 * 30) / 90],
      [undefined, 1]
    ])
  )
})

t.test('functions that call themselves or each other find their owner', async (t) => {
  const instructions = new Map([
    ['one', 5],
    ['two', 7]
  ])
  const callsOfEachOther = (more: [string, number][]): Map<string, Map<string, number>> =>
    new Map([
      ['one', new Map([['one', 50], ['two', 4], ...more])],
      ['two', new Map([['one', 8]])]
    ])
  const sums = (more: [string, number][]): Map<string | undefined, number> =>
    sumByOwner({ instructions, callers: callsOfEachOther(more) }, (name) => name === 'owner')
  t.ok(Math.abs(Number(sums([['owner', 12]]).get('owner')) - 12) < 0.001)
  t.strictSame(sums([]), new Map([[undefined, 12]]), 'a circle without an owner has an end')
})
