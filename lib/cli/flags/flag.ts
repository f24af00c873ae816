// What the table of flags says about one flag, and the type of the value that the flag gives.

/** What must exist for a flag to have an effect. Where it does not, a warning says so. */
export type Need =
  | 'url' // a URL to reach: client mode
  | 'listener' // HTTP to serve: server mode
  | 'definitions' // the same, and no config file in place of --named-server
  | 'command' // the COMMAND of the default server
  | 'process' // a server to start, default or named
  | 'remote' // a server at a URL, in client mode or in the config file

/** What the text of a flag can be. */
export interface Kind<Value> {
  placeholder: string
  /** Makes a value of the text. `flag` is the flag as given, for the error message. */
  read: (flag: string, text: string) => Value
  /** Writes the default as a user would. */
  print?: (value: Value) => string
}

type AnyKind = Omit<Kind<unknown>, 'print'> & { print?: (value: never) => string }

interface Description {
  /** Markdown of one paragraph. `--help` and the README show it. */
  help: string
  /** Without it, the flag has an effect in both modes. */
  needs?: Need
  /** A flag of the Python mcp-proxy. It can be shortened, as its parser allows. */
  reference?: true
  short?: `-${string}`
  /** The member of the configuration that gets the value. */
  sets?: string
  /** How help shows the default, where the value does not explain itself. */
  defaultText?: string
}

interface TwoWords {
  shape: 'pair'
  placeholder: string
  /** Shown to a user who gave one word. */
  example: string
  isName?: (name: string) => boolean
  isValue?: (value: string) => boolean
}

/** `shape` is how the words of the flag are read. All but `act` may be repeated. */
export type Flag = Description &
  (
    | { shape: 'act' } // --help: nothing after it is read
    | { shape: 'switch'; negatable?: true } // --debug, and --no-debug if negatable
    // --verify-ssl, --verify-ssl VALUE, --no-verify-ssl
    | { shape: 'verify'; kind: AnyKind; negatable: true; default: unknown }
    // --port N, --port=N; the last one counts. `alias` is an old name.
    | { shape: 'value'; kind: AnyKind; alias?: string; default?: unknown }
    | { shape: 'list'; kind: AnyKind; default?: readonly string[] } // --expose-header NAME: each one adds
    | { shape: 'origins'; kind: AnyKind } // --allow-origin ORIGIN ORIGIN: each one adds
    | TwoWords // --env KEY VALUE: each one adds
  )

export type Flags = Record<string, Flag>

/** The flags under one heading of help. */
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

/** The members of the configuration that these flags set. Those without a default are optional. */
export type Members<Table> = {
  [Name in keyof Table as Always<Table[Name]>]: ValueOf<Table[Name]>
} & {
  [Name in keyof Table as Sometimes<Table[Name]>]?: Exclude<ValueOf<Table[Name]>, undefined>
}
