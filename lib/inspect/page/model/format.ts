// Writes times, durations, sizes and counts, each in a form that lines up in a column.

const pad = (value: number, length = 2): string => String(value).padStart(length, '0')

/** `12:34:56.789`, in the time zone of the browser. */
export function clock(time: number): string {
  const date = new Date(time)
  const { hours, minutes, seconds } = {
    hours: pad(date.getHours()),
    minutes: pad(date.getMinutes()),
    seconds: pad(date.getSeconds())
  }
  return `${hours}:${minutes}:${seconds}.${pad(date.getMilliseconds(), 3)}`
}

/** `0.42 ms`, `12 ms`, `3.4 s`, `2 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(ms < 1 ? 2 : 1)} ms`
  if (ms < 1000) return `${ms.toFixed(0)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`
  return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`
}

/** `120 B`, `1.2 kB`, `3.4 MB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  if (bytes < 1e6) return `${(bytes / 1000).toFixed(bytes < 1e4 ? 1 : 0)} kB`
  return `${(bytes / 1e6).toFixed(1)} MB`
}

/** `1,234,567`. */
export const count = (value: number): string => value.toLocaleString('en-US')
