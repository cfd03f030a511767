import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeBrowser } from '../../../static/js/access/browser-names.js';

const APPLE = 'AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0';
const WEBKIT = 'AppleWebKit/537.36 (KHTML, like Gecko)';

/** @type {[userAgent: string, name: string][]} */
const CASES = [
  ['Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Windows'],
  [`Mozilla/5.0 (X11; Linux x86_64) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36`, 'Chrome on Linux'],
  [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36 Edg/140.0`, 'Edge on Windows'],
  [`Mozilla/5.0 (Linux; Android 10; K) ${WEBKIT} Chrome/140.0.0.0 Mobile Safari/537.36`, 'Chrome on Android'],
  [`Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) ${APPLE} Mobile/15E148 Safari/604.1`, 'Safari on iPhone'],
  [`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${APPLE} Safari/605.1.15`, 'Safari on macOS'],
  ['curl/8.5.0', 'curl'],
  ['', 'Unknown browser'],
  ['Mozilla/5.0 (X11; Linux x86_64)', 'A browser on Linux'],
];

test('browsers and systems are named', () => {
  for (const [userAgent, name] of CASES) assert.equal(describeBrowser(userAgent), name);
});
