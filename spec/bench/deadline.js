// A time limit for a promise, so that a proxy that hangs does not stop the bench.

/** Settles as `promise` does, or rejects after `ms` milliseconds. `what` names the wait in the error. */
export async function withDeadline(ms, what, promise) {
  let timer
  const timeout = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms / 1000} s`)), ms)
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}
