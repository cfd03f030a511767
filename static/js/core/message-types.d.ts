// Generated from static/locales/en.json by `npm run message-types`. Do not edit.

/** Returns an element around a part of a message. */
type Tag = import('./i18n.js').Tag;

/** The arguments of each message, by its key. */
export interface Messages {
  'core.format.a_few_seconds': null;
  'core.format.clock_hours': { hours: string | number; minutes: string | number; seconds: string | number };
  'core.format.clock_minutes': { minutes: string | number; seconds: string | number };
  'core.format.day': { day: string | number; time: string | number };
  'core.format.hours_and_minutes': { hours: string | number; minutes: string | number };
  'core.format.just_now': null;
  'core.format.less_than': { share: string | number };
  'core.format.milliseconds': { count: number };
  'core.format.minutes': { count: number };
  'core.format.minutes_and_seconds': { minutes: string | number; seconds: string | number };
  'core.format.more_than': { share: string | number };
  'core.format.now': null;
  'core.format.seconds': { count: string | number };
  'core.format.today': { time: string | number };
  'core.format.tomorrow': { time: string | number };
  'core.format.yesterday': { time: string | number };
  'docs.page.calls': null;
  'docs.page.description': null;
  'docs.page.no_script': null;
  'page.description': null;
  'page.help': null;
  'page.help_hint': null;
  'page.home': null;
  'page.import': null;
  'page.imports': null;
  'page.messages': null;
  'page.navigation': null;
  'page.no_script': null;
  'page.notifications': null;
  'page.products': null;
  'page.progress': null;
  'page.skip': null;
  'page.webhooks': null;
}
