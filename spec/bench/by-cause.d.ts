// The types of `by-cause.js`, for its test.

export function causeOf(name: string): string | undefined
export function sourceOf(name: string): { file: string; line: number } | undefined
