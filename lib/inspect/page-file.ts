// Where the traffic page is, after `npm run build:js`. In the bundle, lib/bundle.js puts the path of the
// same file here.

import { fileURLToPath } from 'node:url'

export const pageFile = fileURLToPath(new URL('../../dist/inspect.html', import.meta.url))
