// The dialog for a whole product: look at it, change it, delete it, or create one.

import { ApiError, NetworkError, getJson, nextStep, sendJson } from '../core/api.js';
import { showDialog } from '../core/dialog.js';
import { fill, h, setText } from '../core/dom.js';
import { formatTime } from '../core/format.js';
import { icon } from '../core/icons.js';
import { changedFields, conflictChoice } from './edit-conflict.js';
import { productForm } from './form.js';
import { addressOf, ownChange, saveProduct, settled } from './save-queue.js';

/**
 * @param {object} options
 * @param {object|null} options.product null creates one
 * @param {object} [options.draft] values that were typed elsewhere and not saved
 * @param {(product: object) => void} options.onSaved
 * @param {(product: object) => void} [options.onDelete]
 * @param {(product: object) => void} [options.onSeen] a newer version of the product was read
 * @param {() => void} [options.onClose]
 */
export function openProduct({ product, draft = {}, onSaved, onDelete, onSeen, onClose }) {
  let known = product;
  let busy = false;
  let conflicting = false;
  const form = productForm((event) => {
    event.preventDefault();
    if (!conflicting) save();
  });
  const notice = h('div', { class: 'dialog-notice' });
  const times = h('dl', { class: 'product-times' });
  const saveButton = h('button', {
    class: 'button button-primary',
    type: 'submit',
    form: form.element.id,
    data: { testid: 'product-save' },
  });
  const cancel = h('button', {
    class: 'button',
    type: 'button',
    text: 'Cancel',
    data: { testid: 'product-cancel' },
    on: { click: () => leave() },
  });
  const remove =
    product &&
    h(
      'button',
      {
        class: 'button button-quiet button-danger-quiet',
        type: 'button',
        data: { testid: 'product-delete' },
        on: {
          click: () => {
            if (!busy) {
              dialog.close();
              onDelete(known);
            }
          },
        },
      },
      icon('trash'),
      'Delete',
    );
  const actions = h('div', { class: 'dialog-actions' }, remove, h('span', { class: 'spacer' }), cancel, saveButton);
  const ask = h(
    'div',
    {
      class: 'discard-ask',
      hidden: true,
      role: 'alertdialog',
      'aria-label': 'Discard the changes?',
      data: { testid: 'discard-ask' },
    },
    h('p', { text: 'Discard what you have changed?' }),
    h(
      'div',
      { class: 'dialog-actions' },
      h('button', {
        class: 'button',
        type: 'button',
        text: 'Keep editing',
        data: { testid: 'discard-keep' },
        on: { click: () => askToDiscard(false) },
      }),
      h('button', {
        class: 'button button-danger',
        type: 'button',
        text: 'Discard',
        data: { testid: 'discard-changes' },
        on: { click: () => dialog.close() },
      }),
    ),
  );

  const isChanged = () => Object.keys(form.changes()).length > 0;
  const askToDiscard = (wanted) => {
    ask.hidden = !wanted;
    actions.hidden = wanted;
    if (wanted) ask.querySelector('button').focus();
    else form.focus();
  };
  // The second Esc answers the question: it keeps the changes.
  const mayClose = () => {
    if (busy) return false;
    if (isChanged()) askToDiscard(ask.hidden);
    return !isChanged();
  };
  const leave = () => mayClose() && dialog.close();

  const show = (latest) => {
    known = latest;
    form.set(latest ?? {});
    if (!latest) return;
    dialog.setTitle(latest.name || latest.sku);
    fill(
      times,
      h('dt', { text: 'Created' }),
      h('dd', { text: formatTime(latest.created_at) }),
      h('dt', { text: 'Updated' }),
      h('dd', { text: formatTime(latest.updated_at) }),
    );
  };
  const setBusy = (wanted) => {
    busy = wanted;
    saveButton.setAttribute('aria-disabled', String(wanted));
    setText(saveButton, wanted ? 'Saving…' : product ? 'Save' : 'Create product');
  };
  const tell = (...content) => {
    conflicting = false;
    fill(notice, ...content);
  };
  const tellProblem = (title, detail) =>
    tell(
      h(
        'div',
        { class: 'dialog-problem', role: 'alert', data: { testid: 'dialog-problem' } },
        h('p', { text: title }),
        detail && h('p', { text: detail }),
      ),
    );

  async function save(version = known) {
    if (busy) return;
    const changes = form.changes();
    if (product && !Object.keys(changes).length) return void dialog.close();
    form.showErrors({});
    tell();
    setBusy(true);
    const {
      product: saved,
      present,
      error,
    } = await (product ? saveProduct(product.id, changes, () => version) : create(form.values()));
    setBusy(false);
    if (saved) {
      form.set(saved);
      dialog.close();
      onSaved(saved);
    } else if (present) {
      showConflict(changes, present);
    } else {
      showError(error);
    }
  }

  function showError(error) {
    if (error instanceof NetworkError) return tellProblem('The server cannot be reached. What you typed is kept.');
    if (product && error.status === 404) {
      return tellProblem('This product was deleted by someone else.', 'Copy what you still need, then close.');
    }
    if (form.showErrors(error.fields ?? {})) return undefined;
    return tellProblem(error.message, nextStep(error));
  }

  function showConflict(changes, present) {
    const others = changedFields(known, present).filter((field) => !(field in changes));
    const take = (values) => {
      tell();
      show(present);
      form.put(values);
      onSeen?.(present);
    };
    tell(
      conflictChoice({
        fields: Object.entries(changes).map(([field, mine]) => ({ field, mine, theirs: present[field] })),
        others,
        onMine: () => {
          take(changes);
          save(present);
        },
        onTheirs: () => {
          take({});
          form.focus();
        },
      }),
    );
    conflicting = true;
    notice.querySelector('button').focus();
  }

  const dialog = showDialog({
    title: product ? product.name || product.sku : 'New product',
    content: [notice, form.element, times],
    footer: h('div', {}, actions, ask),
    testid: 'product-dialog',
    mayClose,
    onClose,
  });
  show(product);
  form.put(draft);
  setBusy(false);
  // On a touch screen the focus would open the keyboard over what someone came to read.
  if (!product || window.matchMedia('(pointer: fine)').matches) form.focus();
  if (product) refresh();

  // The row may be old; as long as nobody has typed, the dialog shows what the server has.
  async function refresh() {
    try {
      await settled(product.id);
      const latest = await getJson(addressOf(product.id));
      if (!dialog.element.isConnected || busy || latest.updated_at === known.updated_at || isChanged()) return;
      show(latest);
      onSeen?.(latest);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404 && dialog.element.isConnected) showError(error);
    }
  }
}

async function create(values) {
  try {
    const post = () => sendJson('POST', '/api/products', { body: values });
    return { product: await ownChange(post, (saved) => ({ ids: [saved.id], delta: 1 })) };
  } catch (error) {
    return { error };
  }
}
