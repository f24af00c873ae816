// The targets of `npm run fuzz`. A new target is one more entry here.

import { challenges, tokenAnswers, tokens } from './targets/auth.ts'
import { config, words } from './targets/configuration.ts'
import { body, envelope, frame } from './targets/frame.ts'
import { newline, sequence, sse } from './targets/framings.ts'
import { client } from './targets/http-client.ts'
import { json } from './targets/json.ts'
import { listener } from './targets/listener.ts'
import { signIn } from './targets/sign-in.ts'
import { child, stdio } from './targets/stdio.ts'
import { wrappers } from './targets/wrappers.ts'
import type { Target } from './target.ts'

export const targets: readonly Target[] = [
  ...[json, frame, body, envelope],
  ...[newline, sse, sequence],
  ...[words, config],
  ...[tokens, challenges, tokenAnswers, signIn],
  ...[wrappers, stdio, child],
  ...[listener, client]
]
