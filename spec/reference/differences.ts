// The differences between our parser and the reference's. lib/cli/README.md gives the reason of each.

import { flags, spellings } from '../../lib/cli/flags.ts'
import type { Outcome } from './outcome.ts'

export interface Case {
  argv: string[]
  ours: Outcome
  reference: Outcome
}

export interface Difference {
  /** The first cell of the row in lib/cli/README.md. */
  title: string
  /** Only our parser refuses the command line, with this message. */
  refused?: (message: string, about: Case) => boolean
  /** Only the reference refuses the command line, with this message. */
  accepted?: (message: string, about: Case) => boolean
  /** Both accept the command line, and this member of the outcome differs. */
  member?: (name: string, about: Case) => boolean
}

/** Whether a word is a flag that the reference does not have. */
function isOwn(word: string): boolean {
  const name = word.startsWith('--') && spellings().get(word.replace(/^--|=[^]*$/g, ''))?.name
  return name ? !flags[name].reference : false
}

const has = (pattern: RegExp, { argv }: Case): boolean => argv.some((word) => pattern.test(word))

/** The generated header that is one word. */
const oneWord = /\bX: y$/

export const differences: Difference[] = [
  {
    title: 'flags of ours',
    refused: (message) => /^--(?:cert|key) needs /.test(message),
    accepted: (message) => message.split(' ').some(isOwn)
  },
  {
    title: 'a login that is not complete',
    refused: (message) => message.startsWith('a login needs ')
  },
  {
    title: 'a mistake and `--help`',
    refused: (_, { reference }) => reference.mode === 'act',
    accepted: (_, { ours }) => ours.mode === 'act'
  },
  {
    title: 'a value that cannot be right',
    refused: (message) =>
      [
        /^--\S+ needs a (?:number|name|URL)/,
        /^--\S+ needs the name/,
        /^--\S+ is one of /,
        /^--(?:env|headers) needs two words/,
        /there is no (?:directory|file) /,
        /character that is not allowed$/,
        /the name must be fit for a URL|its command is empty|nothing to close it/,
        /^this is not a URL|^the URL of a server begins with/
      ].some((known) => known.test(message))
  },
  {
    title: 'client credentials that are not complete',
    refused: (message) => message.startsWith('client credentials need ')
  },
  {
    title: 'a command that begins with a dash',
    refused: (message) => /^unknown flag -|came as one word/.test(message)
  },
  {
    title: "`-H 'KEY: VALUE'`",
    refused: (message, about) => message.startsWith('nothing to do') && has(oneWord, about),
    accepted: (_, about) => has(oneWord, about),
    member: (name, about) =>
      /^(?:headers|mode|url|command|args|env)$/.test(name) && has(oneWord, about)
  },
  {
    title: 'a shortened flag that fits several flags',
    accepted: (message) => message.includes('ambiguous option: ')
  },
  {
    title: 'words on both sides of a flag',
    accepted: (message) => message.includes('unrecognized arguments:')
  },
  {
    title: 'a value that begins with a dash, or `--env=KEY VALUE`',
    accepted: (message) => /expected (?:2|one|at least one) arguments?$/.test(message)
  },
  {
    title: '`--transport auto`, and upper and lower case',
    accepted: (message) => message.includes('invalid choice: ')
  },
  {
    title: '`--verify-ssl` or `--allow-origin` before the command',
    accepted: (message, about) => message === 'no command' && has(/^--[va]/, about),
    member: (name, about) =>
      /^(?:mode|command|args|env|verify|url)$/.test(name) && has(/^--v/, about)
  },
  {
    title: 'the default of `--transport`',
    member: (name, { ours }) => name === 'transport' && ours.transport === 'auto'
  },
  {
    title: '`--sse-port`, `--sse-host`',
    member: (name, about) => /^(?:port|host)$/.test(name) && has(/^--ss/, about)
  },
  {
    title: 'how values are written',
    member: (name, about) =>
      (name === 'allowOrigins' && has(/https?:\/\/\S+\//, about)) ||
      (name === 'exposeHeaders' && has(/X,Y/, about)) ||
      (name === 'host' && has(/\[::1\]/, about)) ||
      (name === 'mode' && has(/^HTTP:/, about))
  },
  {
    title: 'a repeated `--allow-origin`',
    member: (name, about) => name === 'allowOrigins' && has(/^--al/, about)
  },
  {
    title: 'a second `--`',
    member: (name, { argv }) => name === 'args' && argv.filter((word) => word === '--').length > 1
  }
]
