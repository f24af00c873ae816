// The causes of what a call costs.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { causeOf, sourceOf } from './by-cause.js'

t.test('a function has the first cause that fits its name', async (t) => {
  const causes: Record<string, string[]> = {
    'garbage collector': ['v8::internal::Scavenger::Process(v8::JobDelegate*)'],
    compiler: [
      'v8::internal::compiler::PipelineImpl::OptimizeGraph',
      'v8::internal::Compiler::Compile'
    ],
    'kernel: write': ['vfs_writev', 'ksys_write'],
    'kernel: read': ['ksys_read'],
    'kernel: other': ['do_syscall_64'],
    'JavaScript of node:http': ['JS:*_storeHeader node:_http_outgoing:410:22'],
    'JavaScript of Node.js: streams, net': [
      'JS:*onwrite node:internal/streams/writable:615:17',
      'JS:^onStreamRead node:internal/stream_base_commons:168:22',
      'JS:+Socket node:net:927:42'
    ],
    'JavaScript of Node.js: other': ['JS:*emit node:events:471:44'],
    'JavaScript of the proxy': ["JS:*'push /proxy/dist/cli.cjs:117:100804"],
    'HTTP parser': ['llhttp__internal_execute', 'node::(anonymous namespace)::Parser::Execute()'],
    'queue of promises': ['v8::internal::MicrotaskQueue::RunMicrotasks', 'Builtins_RunMicrotasks'],
    'C++ of Node.js, libuv': ['node::StreamBase::Writev()', 'uv__read']
  }
  for (const [cause, names] of Object.entries(causes)) {
    for (const name of names) t.equal(causeOf(name), cause, name)
  }
  for (const name of ['Builtins_StringEqual', 'memcpy', 'write']) t.equal(causeOf(name), undefined)
})

t.test('a function of the bundle has its place in the source', async (t) => {
  const bundle = new URL('../../dist/cli.cjs', import.meta.url)
  const lines = readFileSync(bundle, 'utf8').split('\n')
  const line = lines.findIndex((text) => text.includes('the client has not read'))
  const column = (lines[line] as string).indexOf('the client has not read')
  const source = sourceOf(`JS:*push ${bundle.pathname}:${line + 1}:${column + 1}`)
  t.equal(source?.file, 'lib/streams/frame-queue.ts')
  const text = readFileSync(new URL(`../../${source?.file}`, import.meta.url), 'utf8')
  const near = text.split('\n').slice((source?.line ?? 0) - 5, (source?.line ?? 0) + 5)
  t.match(near.join('\n'), 'the client has not read')
  t.equal(sourceOf('JS:*emit node:events:471:44'), undefined)
})
