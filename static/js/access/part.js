// The screens of access control besides the sign-in. They are loaded after the first screen, see core/parts.js.

export { accountScreen } from './account-screen.js';
export { activityScreen } from './activity-screen.js';
export { keysScreen } from './keys-screen.js';
export { linkScreen } from './link-screen.js';
export { peopleScreen } from './people-screen.js';
export { setupScreen } from './setup-screen.js';
