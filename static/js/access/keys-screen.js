// API keys: #/keys. Administrators see everybody's, others their own.

import { h } from '../core/dom.js';
import { t, tRich } from '../core/i18n.js';
import { may } from '../core/session.js';
import { createKeysCard } from './keys-card.js';

/** @import { Screen } from '../core/router.js' */

/** @type {Screen} */
export const keysScreen = {
  mount(root) {
    document.title = t('common.page_title', { name: t('access.api_keys') });
    const keys = createKeysCard({
      title: may('admin') ? t('access.key.of_everyone') : t('access.key.yours'),
      ownOnly: false,
    });
    root.append(
      h(
        'div',
        { class: 'screen' },
        h(
          'div',
          { class: 'screen-head' },
          h('h1', { text: t('access.api_keys') }),
          h(
            'span',
            { class: 'muted' },
            tRich('access.key.about', { api: (parts) => h('a', { href: '/api/docs' }, parts) }),
          ),
        ),
        keys.element,
      ),
    );
    keys.load();
    return {};
  },
};
