// npm run lint: mistakes that the compiler does not report. Prettier checks the layout.

import js from '@eslint/js'
import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

const root = new URL('..', import.meta.url).pathname

// The globals of Node and of the web that the project uses.
const globals = [
  ...['AbortController', 'AbortSignal', 'Buffer', 'Response', 'TextDecoder', 'URL'],
  ...['URLSearchParams', 'clearInterval', 'clearTimeout', 'console', 'fetch', 'performance'],
  ...['process', 'queueMicrotask', 'setImmediate', 'setInterval', 'setTimeout', 'structuredClone']
]

// The code of the traffic page runs in a browser, so it has other types.
const projects = ['tsconfig.json', 'lib/inspect/page/tsconfig.json']

const unused = { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }

// t.test returns this promise, and tap itself waits for it.
const subtests = [{ from: 'package', package: '@tapjs/core', name: 'PromiseWithSubtest' }]

export default defineConfig(
  globalIgnores(['dist', '.tap', 'lib/*/compiled.js']),
  {
    files: ['**/*.{js,cjs,ts}'],
    extends: [js.configs.recommended],
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    languageOptions: {
      ecmaVersion: 2023,
      globals: Object.fromEntries(globals.map((name) => [name, 'readonly']))
    },
    rules: {
      eqeqeq: 'error',
      'no-console': 'off',
      'no-control-regex': 'off',
      'no-constant-condition': ['error', { checkLoops: false }],
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      'no-unused-vars': ['error', unused]
    }
  },
  {
    files: ['bin/*.js', '**/*.cjs'],
    languageOptions: {
      sourceType: 'commonjs',
      globals: { require: 'readonly', __dirname: 'readonly', __filename: 'readonly' }
    }
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: projects, tsconfigRootDir: root } },
    rules: {
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafePromises: subtests }],
      '@typescript-eslint/no-unused-vars': ['error', unused],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowNullish: true }
      ],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true }
      ],

      // Each of these rules forbids something that this project does on purpose.
      '@typescript-eslint/no-confusing-void-expression': 'off', // return callback()
      '@typescript-eslint/no-deprecated': 'off', // HTTP+SSE and tokens over plain HTTP are deprecated
      '@typescript-eslint/no-dynamic-delete': 'off', // variables of an environment
      '@typescript-eslint/no-empty-function': 'off', // on('error', () => {})
      '@typescript-eslint/no-misused-spread': 'off', // [...string] for its characters
      '@typescript-eslint/no-unnecessary-condition': 'off', // a call in between may have changed the value
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off', // it does not terminate on tap's types
      '@typescript-eslint/non-nullable-type-assertion-style': 'off', // wants `!`, which is forbidden
      '@typescript-eslint/prefer-for-of': 'off', // over bytes
      '@typescript-eslint/prefer-nullish-coalescing': 'off', // 0 means no limit, '' means none
      '@typescript-eslint/unbound-method': 'off', // const { join } = path.posix
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'off' // they are ProxyErrors
    }
  },
  {
    files: ['lib/**/*.ts'],
    rules: {
      'no-console': 'error',
      '@typescript-eslint/explicit-function-return-type': ['error', { allowExpressions: true }]
    }
  },
  {
    // Tests read messages as `any`: a missing part fails the test. Tests are async even without await.
    files: ['spec/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-plus-operands': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off'
    }
  }
)
