// Which words of a text have changed.

const MAX_WORDS = 300;
const KEPT = 40;

/** @typedef {{kind: 'same'|'old'|'new', text: string}} Part */

/**
 * @param {string} before
 * @param {string} after
 * @returns {Part[]} in the order of reading; what stayed the same is shortened
 */
export function diffWords(before, after) {
  if (before === after) return [{ kind: 'same', text: after }];
  const [old, fresh] = [split(before), split(after)];
  // Comparing takes the product of both lengths; of a very long text the whole is shown as changed.
  if (old.length > MAX_WORDS || fresh.length > MAX_WORDS) {
    return parts([
      ['old', before],
      ['new', after],
    ]);
  }
  return shorten(parts(align(old, fresh)));
}

const split = (text) => text.match(/\s+|[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) ?? [];

/** The longest common subsequence, from the end, so that it can be read from the start. */
function align(old, fresh) {
  const width = fresh.length + 1;
  const longest = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = fresh.length - 1; j >= 0; j -= 1) {
      longest[i * width + j] =
        old[i] === fresh[j]
          ? longest[(i + 1) * width + j + 1] + 1
          : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  const steps = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < fresh.length) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) {
      steps.push(['same', old[i]]);
      i += 1;
      j += 1;
    } else if (j === fresh.length || (i < old.length && longest[(i + 1) * width + j] >= longest[i * width + j + 1])) {
      steps.push(['old', old[i]]);
      i += 1;
    } else {
      steps.push(['new', fresh[j]]);
      j += 1;
    }
  }
  return steps;
}

/** Neighbours of one kind become one part; a lone space between changed words belongs to the change. */
function parts(steps) {
  const found = [];
  const add = (kind, text) => {
    const last = found.findLast((part) => part.kind === kind);
    const since = last ? found.slice(found.indexOf(last) + 1) : null;
    if (since && !since.some((part) => part.kind === 'same') && (kind !== 'same' || !since.length)) last.text += text;
    else found.push({ kind, text });
  };
  steps.forEach(([kind, text], index) => {
    const isBetween =
      kind === 'same' &&
      /^\s+$/.test(text) &&
      steps[index - 1]?.[0] !== 'same' &&
      steps[index + 1] &&
      steps[index + 1][0] !== 'same';
    if (!isBetween || index === 0) return add(kind, text);
    add('old', text);
    return add('new', text);
  });
  return found.filter((part) => part.text);
}

function shorten(found) {
  const last = found.length - 1;
  return found.map((part, index) => {
    if (part.kind !== 'same' || part.text.length <= 2 * KEPT) return part;
    const head = index === 0 ? '' : part.text.slice(0, KEPT);
    const tail = index === last ? '' : part.text.slice(-KEPT);
    return { kind: 'same', text: `${head}…${tail}` };
  });
}
