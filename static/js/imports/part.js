// What the rest of the page uses of the imports. It is loaded after the first screen, see core/parts.js.

export { installBackgroundProgress } from './background-progress.js';
export { createBulkPanel } from './bulk-panel.js';
export { importDetailScreen } from './detail-screen.js';
export { installPageDrop } from './drop-zone.js';
export { importCommands, installImportSearch } from './import-commands.js';
export { importScreen } from './screen.js';
