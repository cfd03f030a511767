// The texts of an error of the API in the language of the page, built from its codes and details.

import { apiText } from './i18n.js';

/** @import { Details } from './i18n.js' */
/** @import { ErrorBody } from './types.d.ts' */

/**
 * Return the texts of an error. Where the page has none, the sentence of the server stands.
 * @param {Partial<ErrorBody>} [body] of the answer
 * @returns {{message: string | undefined, fields: Record<string, string[]>}} `fields` has the texts about each invalid
 *   field
 */
export function errorTexts(body = {}) {
  const own = ownText(body);
  // The sentence of the error is often that of a field.
  let message = own;
  /** @type {Record<string, string[]>} */
  const fields = {};
  for (const [name, sentences] of Object.entries(body.fields ?? {})) {
    fields[name] = sentences.map((sentence, index) => {
      const isMessage = sentence === body.error;
      const text = problemText(body.field_problems?.[name]?.[index]) ?? (isMessage ? own : null);
      if (isMessage) message ??= text;
      return text ?? sentence;
    });
  }
  return { message: message ?? body.error, fields };
}

/**
 * Return the text for the code of an error, null if there is none. For a job that has failed, that is its failure.
 * @param {Partial<ErrorBody>} body
 */
function ownText({ code, details }) {
  const { error_code: failure, error_details: facts } = /** @type {Details} */ (details ?? {});
  return failure ? apiText(`failure.${failure}`, facts) : apiText(`error.${code}`, details);
}

/** @param {{code: string, details: Details} | null | undefined} problem */
const problemText = (problem) => (problem ? apiText(`field.${problem.code}`, problem.details) : null);
