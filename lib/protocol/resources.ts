// The URIs of resources.

/** Whether a resource is `root` or a part of `root`. A subscription to `root` covers both cases. */
export const isWithin = (uri: string, root: string): boolean =>
  uri.startsWith(root) && (root.endsWith('/') || /^([/?#]|$)/.test(uri.slice(root.length)))
