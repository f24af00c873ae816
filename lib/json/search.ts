// Searches short messages for a text. A native search of a buffer takes longer to start than a short
// message takes to search here.

/** The longest message that is searched here, in bytes. */
const near = 1024

/**
 * Returns a function that returns whether bytes have the text in them. It skips as many bytes as it can
 * (Horspool's algorithm): if the last byte it looks at is not in the text, that is the whole length.
 */
export function searchFor(text: string): (bytes: Buffer) => boolean {
  const wanted = Buffer.from(text)
  const last = wanted.length - 1
  const skips = new Uint8Array(256).fill(wanted.length)
  for (let at = 0; at < last; at++) skips[wanted[at] as number] = last - at
  const isAt = (bytes: Buffer, start: number): boolean => {
    for (let at = 0; at <= last; at++) if (bytes[start + at] !== wanted[at]) return false
    return true
  }
  return (bytes) => {
    const { length } = bytes
    if (length > near) return bytes.includes(wanted)
    for (let at = last; at < length; at += skips[bytes[at] as number] as number) {
      if (bytes[at] === wanted[last] && isAt(bytes, at - last)) return true
    }
    return false
  }
}
