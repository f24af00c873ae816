// The levels of `notifications/message`, from the least severe to the most severe (RFC 5424).

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
