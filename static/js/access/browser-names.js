// Names of browsers and systems, from the User-Agent header.

import { t } from '../core/i18n.js';

/* eslint-disable page/no-untranslated-text -- The names are the same in every language. */
/** The first pattern that matches wins: most browsers also name those that they descend from. */
/** @type {[pattern: RegExp, name: string][]} */
const BROWSERS = [
  [/\bEdgA?\/|\bEdgiOS\//, 'Edge'],
  [/\bOPR\/|\bOPiOS\//, 'Opera'],
  [/\bVivaldi\//, 'Vivaldi'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bFirefox\/|\bFxiOS\//, 'Firefox'],
  [/\bHeadlessChrome\/|\bChromium\/|\bChrome\/|\bCriOS\//, 'Chrome'],
  [/\bVersion\/[\d.]+ .*\bSafari\//, 'Safari'],
  [/^curl\//i, 'curl'],
  [/^python-requests\//i, 'Python'],
];

/** @type {[pattern: RegExp, name: string][]} */
const SYSTEMS = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b|\bX11\b/, 'Linux'],
];
/* eslint-enable page/no-untranslated-text */

/**
 * Return a browser in words, such as "Firefox on Windows".
 * @param {string} userAgent
 */
export function describeBrowser(userAgent) {
  const browser = nameIn(BROWSERS, userAgent);
  const system = nameIn(SYSTEMS, userAgent);
  if (browser && system) return t('access.browser_on', { browser, system });
  return browser || (system ? t('access.some_browser_on', { system }) : t('access.unknown_browser'));
}

/**
 * @param {[pattern: RegExp, name: string][]} names
 * @param {string} userAgent
 */
const nameIn = (names, userAgent) => names.find(([pattern]) => pattern.test(userAgent))?.[1] ?? '';
