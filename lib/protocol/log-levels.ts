// The levels of `notifications/message`, the least severe first (RFC 5424).

export const logLevels = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency'
]
