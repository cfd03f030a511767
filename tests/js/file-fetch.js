// Lets `fetch` read files: the modules under test load the texts of the page from their own folder.

import { readFileSync } from 'node:fs';

const { fetch } = globalThis;

/** @type {typeof fetch} */
globalThis.fetch = (input, init) => {
  const address = String(input);
  if (!address.startsWith('file:')) return fetch(input, init);
  return Promise.resolve(new Response(readFileSync(new URL(address), 'utf8')));
};
