// The names of the requests and notifications that the proxy itself reads, answers or makes. It passes
// all others on without knowing them.

export const methods = {
  // Requests of a client.
  initialize: 'initialize',
  discover: 'server/discover',
  ping: 'ping',
  listTools: 'tools/list',
  callTool: 'tools/call',
  getPrompt: 'prompts/get',
  readResource: 'resources/read',
  subscribe: 'resources/subscribe',
  unsubscribe: 'resources/unsubscribe',
  listen: 'subscriptions/listen',
  setLevel: 'logging/setLevel',
  getTask: 'tasks/get',
  updateTask: 'tasks/update',
  cancelTask: 'tasks/cancel',

  // Notifications of a client.
  initialized: 'notifications/initialized',

  // Notifications of either side.
  cancelled: 'notifications/cancelled',
  progress: 'notifications/progress',

  // Notifications of a server.
  logMessage: 'notifications/message',
  resourceUpdated: 'notifications/resources/updated',
  toolsChanged: 'notifications/tools/list_changed',
  taskStatus: 'notifications/tasks/status'
} as const
