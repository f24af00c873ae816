import { pattern } from '../arguments/values.ts'
import type { Flags } from './flag.ts'

/** The flags about what clients may use of the servers. */
export const filterFlags = {
  'allow-tool': {
    shape: 'list',
    kind: pattern,
    defaultText: 'all',
    help: 'show clients only the tools with the name that matches, such as `read_*` (`*` stands for zero or more characters, `?` for one); repeatable'
  },
  'deny-tool': {
    shape: 'list',
    kind: pattern,
    defaultText: 'none',
    help: 'hide the tools with the name that matches, and refuse their use as if they did not exist; wins over `--allow-tool`; repeatable'
  },
  'allow-prompt': {
    shape: 'list',
    kind: pattern,
    defaultText: 'all',
    help: 'show clients only the prompts with the name that matches, such as `read_*` (`*` stands for zero or more characters, `?` for one); repeatable'
  },
  'deny-prompt': {
    shape: 'list',
    kind: pattern,
    defaultText: 'none',
    help: 'hide the prompts with the name that matches, and refuse their use as if they did not exist; wins over `--allow-prompt`; repeatable'
  },
  'allow-resource': {
    shape: 'list',
    kind: pattern,
    defaultText: 'all',
    help: 'show clients only the resources with the URI or URI template that matches, such as `file:///docs/*` (`*` stands for zero or more characters, `?` for one); repeatable'
  },
  'deny-resource': {
    shape: 'list',
    kind: pattern,
    defaultText: 'none',
    help: 'hide the resources with the URI or URI template that matches, and refuse their use as if they did not exist; wins over `--allow-resource`; repeatable'
  }
} as const satisfies Flags
