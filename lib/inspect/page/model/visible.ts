// Makes text from messages safe to look at. The page never makes HTML of it. But control characters,
// characters without a shape, and those that change the direction of text could still show another text
// than there is.

const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u3164]/gu

/** How much of a text is shown in one line. */
const maxLength = 400

/** Shows what could not be seen as `\u202e`, and cuts a long text. */
export function visible(text: string, max = maxLength): string {
  const part = text.length > max ? `${text.slice(0, max)}…` : text
  return part.replace(/[\t\n]/g, ' ').replace(hidden, escape)
}

/** Writes characters as JSON does: `\u202e`. */
export const escape = (characters: string): string =>
  characters.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
