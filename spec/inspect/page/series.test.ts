// What the plots of the traffic page show.

import t from 'tap'
import { seriesOf } from '../../../lib/inspect/page/model/series.ts'
import { entry } from '../entries.ts'

t.test('messages and errors a second, and response times', async (t) => {
  const entries = Array.from({ length: 100 }, (_, index) =>
    entry({
      time: 1e6 + index * 100,
      ...(index % 2 === 1 && { took: index }),
      ...(index === 99 && { error: 1 })
    })
  )
  const end = 1e6 + 9900
  const { times, rate, errors, median, high } = seriesOf(entries, end)
  t.equal(times.length, 100)
  t.strictSame(times.slice(0, 2), [1000, 1000.1])
  t.strictSame([rate[0], errors[0], errors[99]], [10, 0, 10])
  t.strictSame([median[0], median[1], high[99]], [null, 1, 99])
  const minute = seriesOf(entries, end + 60_000, 30_000)
  t.equal(Math.max(...minute.rate), 0, 'older than the span')
})

t.test('intervals are wider in a longer time', async (t) => {
  const hour = seriesOf([entry({ time: 0 }), entry({ time: 3_600_000 })], 3_600_000)
  t.equal((hour.times[1] as number) - (hour.times[0] as number), 50)
  const sorted = [5, 1, 3].map((took) => entry({ time: 1, took }))
  t.strictSame([seriesOf(sorted, 1000).median[0], seriesOf(sorted, 1000).high[0]], [3, 5])
})

t.test('nothing gives empty series, and entries that are no messages do not count', async (t) => {
  t.equal(Math.max(...seriesOf([], 1000).rate), 0)
  const line = {
    seq: 1,
    time: 1,
    type: 'stderr',
    server: '',
    pid: 1,
    command: 'x',
    line: 'y'
  } as const
  t.equal(Math.max(...seriesOf([line], 1000).rate), 0)
  t.equal(Math.max(...seriesOf([entry({ time: 5000 })], 1000).rate), 0, 'after the end')
})
