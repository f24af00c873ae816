// Tells whether a secret may be sent to a URL. The command line uses this at each start, so this file
// imports nothing: the command line must not load the listener.

/** The loopback hosts, as `URL` writes them. The last one is the IPv4-mapped form of 127.0.0.0/8. */
const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\])$/

/**
 * Whether other computers can neither read nor change what is sent to a URL. For `http:` this is so
 * only on this machine.
 */
export function isSafeUrl({ protocol, hostname }: URL): boolean {
  if (protocol !== 'http:') return protocol === 'https:'
  return loopback.test(hostname)
}
