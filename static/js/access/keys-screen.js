// API keys: #/keys. Administrators see everybody's, others their own.

import { h } from '../core/dom.js';
import { may } from '../core/session.js';
import { createKeysCard } from './keys-card.js';

/** @import { Screen } from '../core/router.js' */

/** @type {Screen} */
export const keysScreen = {
  mount(root) {
    document.title = 'API keys · Acme Product Importer';
    const keys = createKeysCard({ title: may('admin') ? 'Keys of everyone' : 'Your keys', ownOnly: false });
    root.append(
      h(
        'div',
        { class: 'screen' },
        h(
          'div',
          { class: 'screen-head' },
          h('h1', { text: 'API keys' }),
          h(
            'span',
            { class: 'muted', text: 'Keys with which scripts use the ' },
            h('a', { href: '/api/docs', text: 'API' }),
          ),
        ),
        keys.element,
      ),
    );
    keys.load();
    return {};
  },
};
