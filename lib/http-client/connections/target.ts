// The parts of a URL that an HTTP request names. To read them from a URL takes a microsecond, so the
// client of one server reads them once.

export interface Target {
  origin: string
  path: string
}

export const targetOf = ({ origin, pathname, search }: URL): Target => ({
  origin,
  path: pathname + search
})
