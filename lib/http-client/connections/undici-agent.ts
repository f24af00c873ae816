// The part of undici that every request needs. This separate file saves time: it is part of the
// command's bundle, while the import of a file from a package takes 3 ms.

export { default } from 'undici/lib/dispatcher/agent.js'
