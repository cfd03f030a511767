// The language of the page, and the region whose formats of numbers, dates and times it uses.

/** The language of the texts. The server has chosen it, because it also sends a part of them. */
// Node.js, which runs the tests, has no document.
export const LANGUAGE = globalThis.document?.documentElement.lang || 'en';

/**
 * A locale for `Intl`, and whether its clock has 12 or 24 hours.
 * @typedef {{locale: string, hourCycle: Intl.LocaleHourCycleKey | undefined}} Region
 */

/**
 * Return the locale in the given language whose region is that of the browser.
 *
 * A browser with the languages "fr-CH, en-GB" shows an English page with British formats. If it has "fr-CH" alone, the
 * page is English, and its formats are those of English in Switzerland, as far as there are any.
 * @param {string} language of the texts
 * @param {readonly string[]} accepted the languages of the browser, the preferred one first
 * @returns {Region}
 */
export function chooseRegion(language, accepted) {
  const locales = accepted.flatMap(parseLocale);
  const [first] = locales;
  const own = locales.filter((locale) => locale.language === language);
  const found = own.find((locale) => locale.region) ?? own[0] ?? new Intl.Locale(language, { region: first?.region });
  // There is no format of English for every region, but the clock is a matter of the region alone.
  const clock = new Intl.DateTimeFormat((own[0] ?? first ?? found).toString(), { hour: 'numeric' });
  return { locale: found.toString(), hourCycle: clock.resolvedOptions().hourCycle };
}

/** @param {string} tag @returns {Intl.Locale[]} empty if the tag is invalid */
function parseLocale(tag) {
  try {
    return [new Intl.Locale(tag)];
  } catch {
    return [];
  }
}

const region = chooseRegion(LANGUAGE, globalThis.navigator?.languages ?? []);

export const LOCALE = region.locale;
/** For the options of `Intl.DateTimeFormat` that show an hour. */
export const HOUR_CYCLE = region.hourCycle;
