// Line icons on a 16 × 16 grid. They are elements because the Content-Security-Policy forbids data: URLs.

const PATHS = {
  upload: 'M8 10.5v-8m0 0L4.8 5.7M8 2.5l3.2 3.2M2.5 10.5v2a1 1 0 0 0 1 1h9a1 1 0 0 0 1-1v-2',
  file: 'M9 1.8H4.5a1 1 0 0 0-1 1v10.4a1 1 0 0 0 1 1h7a1 1 0 0 0 1-1V5.3L9 1.8Zm0 0v3.5h3.5',
  check: 'M3.2 8.5 6.5 11.7 12.8 4.6',
  cross: 'M4 4l8 8M12 4l-8 8',
  clock: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8ZM8 4.6V8l2.3 1.5',
  arc: 'M14 8a6 6 0 1 1-6-6',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  slash: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8ZM3.7 12.3l8.6-8.6',
  warning: 'M8 2.2 14.3 13.3H1.7L8 2.2ZM8 6.5v3.2M8 11.4v.1',
  alert: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8ZM8 4.8v3.7M8 10.9v.1',
  search: 'M7 2.3a4.7 4.7 0 1 0 0 9.4 4.7 4.7 0 0 0 0-9.4ZM10.4 10.4l3.3 3.3',
  first: 'M12 3.5 7.5 8l4.5 4.5M4 3.5v9',
  previous: 'M10 3.5 5.5 8l4.5 4.5',
  next: 'M6 3.5 10.5 8 6 12.5',
  last: 'M4 3.5 8.5 8 4 12.5M12 3.5v9',
  sun:
    'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM8 1.4v1.3M8 13.3v1.3M1.4 8h1.3M13.3 8h1.3' +
    'M3.3 3.3l.9.9M11.8 11.8l.9.9M12.7 3.3l-.9.9M4.2 11.8l-.9.9',
  moon: 'M13.5 9.6A5.8 5.8 0 0 1 6.4 2.5a5.8 5.8 0 1 0 7.1 7.1Z',
  screen: 'M2.5 2.8h11a.7.7 0 0 1 .7.7v7a.7.7 0 0 1-.7.7h-11a.7.7 0 0 1-.7-.7v-7a.7.7 0 0 1 .7-.7ZM5.5 13.5h5',
  plus: 'M8 3v10M3 8h10',
  join: 'M3 3.5h10M3 12.5h10M8 5.5v5M5.8 7.7 8 5.5l2.2 2.2M5.8 8.3 8 10.5l2.2-2.2',
  more: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  chevron: 'M4.5 6.5 8 10l3.5-3.5',
  ascending: 'M8 12.5v-9M4.5 7 8 3.5 11.5 7',
  descending: 'M8 3.5v9M4.5 9 8 12.5 11.5 9',
  download: 'M8 2.5v8m0 0 3.2-3.2M8 10.5 4.8 7.3M2.5 10.5v2a1 1 0 0 0 1 1h9a1 1 0 0 0 1-1v-2',
  filter: 'M2.5 4h11M4.5 8h7M6.5 12h3',
  open: 'M9.5 2.5h4v4M13.2 2.8 9 7M6.5 13.5h-4v-4M2.8 13.2 7 9',
  trash: 'M2.8 4.3h10.4M6.3 4.2V2.7h3.4v1.5M4.2 4.5l.6 8.2a1 1 0 0 0 1 .9h4.4a1 1 0 0 0 1-.9l.6-8.2M6.7 7v4M9.3 7v4',
  refresh: 'M13.3 8a5.3 5.3 0 1 1-1.6-3.8M13.5 2v3h-3',
  send: 'M13.8 2.2 7 9M13.8 2.2 9.5 13.8 7 9 2.2 6.5 13.8 2.2Z',
  edit: 'M10.8 2.8l2.4 2.4-7.6 7.6-3 .6.6-3 7.6-7.6Z',
  copy: 'M5.5 5.5h7.7v8H5.5v-8ZM10.5 5.2V2.5H2.8v8h2.4',
  eye: 'M1.5 8S4 3.7 8 3.7 14.5 8 14.5 8 12 12.3 8 12.3 1.5 8 1.5 8ZM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4Z',
  hook:
    'M8 2.3a2.6 2.6 0 0 1 1.3 4.8l2 3.6M6.7 7.1l-2 3.6M5 5.6A2.6 2.6 0 0 1 8 2.3M4.7 10.3a2.1 2.1 0 1 0 1.6 2.4h5' +
    'M11.3 10.4a2.1 2.1 0 1 1-.6 3.7',
  undo: 'M2.8 5.5h6.7a4 4 0 0 1 0 8H6M2.8 5.5 6 2.3M2.8 5.5 6 8.7',
  person: 'M8 2.2a2.9 2.9 0 1 0 0 5.8 2.9 2.9 0 0 0 0-5.8ZM2.6 13.8c.5-2.6 2.6-4.1 5.4-4.1s4.9 1.5 5.4 4.1',
  people:
    'M6 2.7a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5ZM1.5 13.3c.4-2.4 2.1-3.8 4.5-3.8s4.1 1.4 4.5 3.8' +
    'M10.6 3.1a2.4 2.4 0 0 1 0 4.3M12 9.9c1.4.6 2.3 1.8 2.6 3.4',
  key: 'M5.4 6.2a3.4 3.4 0 1 0 0 6.8 3.4 3.4 0 0 0 0-6.8ZM7.9 7.3 13.4 2M11 4.3l2 2M5.4 9.5v.1',
  lock: 'M3.5 7.3h9v6.4h-9V7.3ZM5.3 7V5a2.7 2.7 0 0 1 5.4 0v2',
  columns: 'M2.5 3h11v10h-11V3ZM6.2 3v10M9.8 3v10',
  list: 'M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.01M2.5 8h.01M2.5 12h.01',
  leave: 'M9.5 2.5h-6v11h6M6.5 8h7m0 0-2.7-2.7M13.5 8l-2.7 2.7',
  box: 'M8 1.7 13.7 4.8v6.4L8 14.3l-5.7-3.1V4.8L8 1.7ZM2.5 4.9 8 8l5.5-3.1M8 8v6',
};

/** @typedef {keyof typeof PATHS} IconName */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Create a decorative icon. Screen readers skip it: the words beside it carry the meaning.
 * @param {IconName} name
 * @param {string} [extraClass]
 * @returns {SVGSVGElement}
 */
export function icon(name, extraClass = '') {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', `icon ${extraClass}`.trim());
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
