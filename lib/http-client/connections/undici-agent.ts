// The part of undici that every request needs. It is a file here because the bundle of the command
// holds such a file for free, while an import of a package's file takes 3 ms.

export { default } from 'undici/lib/dispatcher/agent.js'
