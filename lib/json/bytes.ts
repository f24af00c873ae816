// The bytes that give JSON its structure. All of them are ASCII. In UTF-8, an ASCII byte is never a
// part of another character, so code can search for these bytes without decoding.

export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const QUOTE = 0x22
export const COMMA = 0x2c
/** The first digit. */
export const ZERO = 0x30
export const COLON = 0x3a
export const OPEN_BRACKET = 0x5b
export const BACKSLASH = 0x5c
export const CLOSE_BRACKET = 0x5d
export const OPEN_BRACE = 0x7b
export const CLOSE_BRACE = 0x7d

const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/** Returns the bytes after the byte order mark, which some programs write before UTF-8 text. */
export function withoutBom(bytes: Buffer): Buffer {
  return bytes[0] === BOM[0] && BOM.equals(bytes.subarray(0, 3)) ? bytes.subarray(3) : bytes
}
