// The types of the table of flags: the description of one flag, and the type of its value.

/**
 * What a flag needs to have an effect. If it is missing, a warning says that the flag is ignored.
 */
export type Need =
  | 'url' // client mode: the command line has the URL of a server
  | 'listener' // server mode: the proxy listens on HTTP
  | 'definitions' // server mode without a config file: with --named-server-config, --named-server has no effect
  | 'command' // the command line has the COMMAND of the default server
  | 'process' // at least one server is a process that the proxy starts
  | 'remote' // at least one server is at a URL, or an issuer

/** A kind of value, such as a size or a URL: how to read its text and how to print it. */
export interface Kind<Value> {
  placeholder: string
  /** Turns the text into the value. The error message names `flag`, as the user wrote it. */
  read: (flag: string, text: string) => Value
  /** Turns the default into text, as a user would write it. */
  print?: (value: Value) => string
}

type AnyKind = Omit<Kind<unknown>, 'print'> & { print?: (value: never) => string }

interface Description {
  /** One paragraph of Markdown, which `--help` and the README show. */
  help: string
  /** What the flag needs to have an effect. Without `needs`, it always has an effect. */
  needs?: Need
  /**
   * True for a flag of the Python mcp-proxy. Users may shorten such flags (`--po` for `--port`).
   */
  reference?: true
  short?: `-${string}`
  /** The member of the configuration that gets the value. */
  sets?: string
  /** The text that `--help` shows as the default, instead of the value. */
  defaultText?: string
}

interface TwoWords {
  shape: 'pair'
  placeholder: string
  /** A valid use of the flag, for the error message about a missing word. */
  example: string
  /** The character between the name and the value if the user writes both as one word. */
  separator?: string
  isName?: (name: string) => boolean
  isValue?: (value: string) => boolean
}

/** `shape` says which words belong to the flag. Users may repeat all flags except `act`. */
export type Flag = Description &
  (
    | { shape: 'act' } // such as --help: the proxy ignores all words after it
    | { shape: 'switch'; negatable?: true } // such as --debug. A `negatable` one also has --no-debug
    // Such as --verify-ssl, which may have a value or not, and --no-verify-ssl.
    | { shape: 'verify'; kind: AnyKind; negatable: true; default: unknown }
    // Such as --port N or --port=N. If it is repeated, the last value counts. `alias` is an old name.
    | { shape: 'value'; kind: AnyKind; alias?: string; default?: unknown }
    // Such as --expose-header NAME. Each use adds a value, or several with `separator` between them.
    | { shape: 'list'; kind: AnyKind; default?: readonly string[]; separator?: string }
    // Such as --allow-origin ORIGIN ORIGIN. Each word up to the next flag adds a value.
    | { shape: 'origins'; kind: AnyKind }
    | TwoWords // such as --env KEY VALUE: each use adds one pair
  )

export type Flags = Record<string, Flag>

/** The flags under one heading of `--help`. */
export interface FlagGroup {
  title: string
  flags: Flags
}

export type Pair = [first: string, second: string]

export type ValueOf<F> = F extends { shape: 'switch' }
  ? boolean
  : F extends { shape: 'pair' }
    ? Pair[]
    : F extends { shape: 'list' | 'origins'; kind: Kind<infer Value> }
      ? Value[]
      : F extends { kind: Kind<infer Value>; default: unknown }
        ? Value
        : F extends { kind: Kind<infer Value> }
          ? Value | undefined
          : undefined

export type Values<Table> = { [Name in keyof Table]: ValueOf<Table[Name]> }

type MemberOf<F> = F extends { sets: infer Member extends string } ? Member : never
type Always<F> = undefined extends ValueOf<F> ? never : MemberOf<F>
type Sometimes<F> = undefined extends ValueOf<F> ? MemberOf<F> : never

/**
 * The members of the configuration that these flags set. Without a default, a member is optional.
 */
export type Members<Table> = {
  [Name in keyof Table as Always<Table[Name]>]: ValueOf<Table[Name]>
} & {
  [Name in keyof Table as Sometimes<Table[Name]>]?: Exclude<ValueOf<Table[Name]>, undefined>
}
