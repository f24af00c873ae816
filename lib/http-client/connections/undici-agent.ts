// The part of undici that every request over HTTP needs, to be loaded with it: a file of ours, since
// in the bundle of the command such a file costs nothing, and an import of a package's costs 3 ms.

export { default } from 'undici/lib/dispatcher/agent.js'
