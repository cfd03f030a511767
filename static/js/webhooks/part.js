// What the rest of the page uses of the webhooks. It is loaded after the first screen, see core/parts.js.

export { webhookScreen } from './detail-screen.js';
export { webhooksScreen } from './screen.js';
