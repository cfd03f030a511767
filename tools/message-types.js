// Generate the types of the page's texts: the key of each message, and the arguments that it takes.
// `npm run message-types` writes the file; `npm run message-types:check` fails if it does not match the messages.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import { argumentTypes } from './message-arguments.js';

const SOURCE = 'static/locales/en.json';
const OUTPUT = 'static/js/core/message-types.d.ts';

/** @param {string} key */
const quoted = (key) => (/^[a-z]\w*$/i.test(key) ? key : `'${key}'`);

/** @param {Record<string, string>} messages */
function generate(messages) {
  const lines = Object.entries(messages).map(([key, message]) => {
    const types = Object.entries(argumentTypes(message)).map(([name, type]) => `${quoted(name)}: ${type}`);
    return `  ${quoted(key)}: ${types.length ? `{ ${types.join('; ')} }` : 'null'};`;
  });
  return [
    '// Generated from static/locales/en.json by `npm run message-types`. Do not edit.',
    '',
    '/** Returns an element around a part of a message. */',
    "type Tag = import('./i18n.js').Tag;",
    '',
    '/** The arguments of each message, by its key. */',
    'export interface Messages {',
    ...lines,
    '}',
    '',
  ].join('\n');
}

const types = generate(JSON.parse(readFileSync(SOURCE, 'utf8')));
if (!process.argv.includes('--check')) {
  writeFileSync(OUTPUT, types);
} else if (!existsSync(OUTPUT) || readFileSync(OUTPUT, 'utf8') !== types) {
  process.stderr.write(`${OUTPUT} does not match ${SOURCE}: run \`npm run message-types\`.\n`);
  process.exitCode = 1;
}
