// The methods of the requests and notifications that the proxy itself reads, answers or creates.
// The proxy forwards all other methods unread.

export const methods = {
  // Requests that a client sends.
  initialize: 'initialize',
  discover: 'server/discover',
  ping: 'ping',
  listTools: 'tools/list',
  callTool: 'tools/call',
  listPrompts: 'prompts/list',
  getPrompt: 'prompts/get',
  listResources: 'resources/list',
  listTemplates: 'resources/templates/list',
  readResource: 'resources/read',
  subscribe: 'resources/subscribe',
  unsubscribe: 'resources/unsubscribe',
  listen: 'subscriptions/listen',
  complete: 'completion/complete',
  setLevel: 'logging/setLevel',
  getTask: 'tasks/get',
  updateTask: 'tasks/update',
  cancelTask: 'tasks/cancel',

  // Requests that a server sends, and questions in the modern revision.
  elicit: 'elicitation/create',
  createMessage: 'sampling/createMessage',
  listRoots: 'roots/list',

  // Notifications that a client sends.
  initialized: 'notifications/initialized',
  rootsChanged: 'notifications/roots/list_changed',

  // Notifications that a client or a server sends.
  cancelled: 'notifications/cancelled',
  progress: 'notifications/progress',

  // Notifications that a server sends.
  logMessage: 'notifications/message',
  resourceUpdated: 'notifications/resources/updated',
  toolsChanged: 'notifications/tools/list_changed',
  promptsChanged: 'notifications/prompts/list_changed',
  resourcesChanged: 'notifications/resources/list_changed',
  acknowledged: 'notifications/subscriptions/acknowledged',
  elicitationComplete: 'notifications/elicitation/complete',
  taskStatus: 'notifications/tasks/status'
} as const
