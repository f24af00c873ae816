// Tells JSON objects from other values that `JSON.parse` returns.

/** Whether a value is an object, and neither an array nor null. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
