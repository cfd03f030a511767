// The product dialog: view, change, delete or create a product.

import { announce } from '../core/announcer.js';
import { ApiError, NetworkError, getJson, hasStatus, messageOf, nextStep, sendJson } from '../core/api.js';
import { showDialog } from '../core/dialog.js';
import { createDiscardQuestion } from '../core/discard-question.js';
import { fill, h, setText } from '../core/dom.js';
import { formatTime } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { may } from '../core/session.js';
import { FIELDS, FIELD_LABELS, changedFields, createConflictChoice } from './edit-conflict.js';
import { createProductForm } from './form.js';
import { createProductHistory } from './product-history.js';
import { addressOf, fromPage, ownChange, saveProduct, settled } from './save-queue.js';
import { createStepButtons, stepOf } from './step-buttons.js';

/** @import { Child } from '../core/dom.js' */
/** @import { Product } from '../core/types.d.ts' */
/** @import { FieldName, FieldValues } from './edit-conflict.js' */
/** @import { FormValues } from './form.js' */
/** @import { SaveResult } from './save-queue.js' */

/**
 * The products before and after the one of the dialog, in the order of the list.
 * @typedef {object} Neighbours
 * @property {(step: Step) => boolean} has
 * @property {(step: Step) => Promise<unknown>} go Show one of them in place of this dialog. Throws what loading it
 *   throws.
 */

/**
 * @typedef {object} ProductDialog
 * @property {() => void} close Close it without a question.
 * @property {(then: () => void) => void} leave Call back once nothing that was typed can be lost.
 * @property {() => void} showNeighbours Show whether there are neighbours, after the list has changed.
 * @property {(step: Step) => void} focusStep Focus the button that leads to a neighbour.
 */

/** To the previous or to the next product. @typedef {-1 | 1} Step */

/**
 * Open the dialog.
 * @param {object} options
 * @param {Product | null} options.product null to create one
 * @param {FieldValues} [options.draft] values that were typed elsewhere and not saved
 * @param {(product: Product) => void} options.onSaved
 * @param {(product: Product) => void} [options.onDelete]
 * @param {string} [options.address] of the dialog
 * @param {Neighbours} [options.neighbours]
 * @param {(product: Product) => void} [options.onSeen] a newer version of the product was loaded
 * @param {() => void} [options.onClose]
 * @returns {ProductDialog}
 */
export function openProduct({ product, draft = {}, address, neighbours, onSaved, onDelete, onSeen, onClose }) {
  let known = product;
  let busy = false;
  let conflicting = false;
  const mayEdit = may('products:write');
  const form = createProductForm((event) => {
    event.preventDefault();
    if (!conflicting && mayEdit) save();
  });
  if (!mayEdit) form.setReadOnly();
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
    text: mayEdit ? t('products.cancel') : t('products.close'),
    data: { testid: 'product-cancel' },
    on: { click: () => leave() },
  });
  const remove =
    mayEdit &&
    product &&
    h(
      'button',
      {
        class: 'button button-quiet button-danger-quiet',
        type: 'button',
        data: { testid: 'product-delete' },
        on: {
          click: () => {
            if (busy || !known) return;
            dialog.close();
            onDelete?.(known);
          },
        },
      },
      icon('trash'),
      t('products.delete'),
    );
  const actions = h(
    'div',
    { class: 'dialog-actions' },
    remove,
    h('span', { class: 'spacer' }),
    cancel,
    mayEdit && saveButton,
  );
  const isChanged = () => Object.keys(form.changes()).length > 0;
  /** What the person wanted when the question was asked. @type {() => void} */
  let afterDiscard = () => dialog.close();
  const question = createDiscardQuestion({
    actions,
    isChanged,
    onKeep: () => form.focus(),
    onDiscard: () => afterDiscard(),
  });
  const mayClose = () => {
    afterDiscard = () => dialog.close();
    return !busy && question.mayClose();
  };
  /** @param {() => void} then */
  const leave = (then = () => dialog.close()) => {
    const isFree = mayClose();
    afterDiscard = then;
    if (isFree) then();
  };
  const steps = neighbours && createStepButtons((step) => leave(() => go(step)));

  const history = product && createProductHistory({ id: product.id, onRestore: restore });

  /** @param {Product | null} latest */
  const show = (latest) => {
    known = latest;
    form.set(latest ?? {});
    if (!latest) return;
    dialog.setTitle(latest.name || latest.sku);
    fill(
      times,
      h('dt', { text: t('products.dialog.created') }),
      h('dd', { text: formatTime(latest.created_at) }),
      h('dt', { text: t('products.field.updated') }),
      h('dd', { text: formatTime(latest.updated_at) }),
    );
    history?.show(latest);
  };
  /** @param {boolean} wanted */
  const setBusy = (wanted) => {
    busy = wanted;
    saveButton.setAttribute('aria-disabled', String(wanted));
    setText(saveButton, wanted ? t('products.saving') : product ? t('products.save') : t('products.dialog.create'));
  };
  /** @param {...Child} content */
  const showNotice = (...content) => {
    conflicting = false;
    fill(notice, ...content);
  };
  /**
   * @param {string} title
   * @param {string} [detail]
   */
  const showProblem = (title, detail) =>
    showNotice(
      h(
        'div',
        { class: 'dialog-problem', role: 'alert', data: { testid: 'dialog-problem' } },
        h('p', { message: title }),
        detail && h('p', { message: detail }),
      ),
    );

  async function save(version = known) {
    if (busy) return;
    const changes = form.changes();
    if (product && !Object.keys(changes).length) return void dialog.close();
    form.showErrors({});
    showNotice();
    setBusy(true);
    const {
      product: saved,
      latest,
      error,
    } = await (product ? saveProduct(product.id, changes, () => version ?? product) : create(form.values()));
    setBusy(false);
    if (saved) {
      form.set(saved);
      dialog.close();
      onSaved(saved);
    } else if (latest) {
      showConflict(changes, latest);
    } else {
      showError(error);
    }
  }

  /** @param {unknown} error */
  function showError(error) {
    if (error instanceof NetworkError) return showProblem(t('products.save.unreachable'));
    if (product && hasStatus(error, 404)) {
      return showProblem(t('products.save.gone'), t('products.dialog.copy'));
    }
    if (error instanceof ApiError && form.showErrors(error.fields)) return undefined;
    return showProblem(messageOf(error), nextStep(error));
  }

  /**
   * @param {FieldValues} changes
   * @param {Product} latest
   */
  function showConflict(changes, latest) {
    const others = known ? changedFields(known, latest).filter((field) => !(field in changes)) : [];
    /** @param {FieldValues} values */
    const applyLatest = (values) => {
      showNotice();
      show(latest);
      form.put(values);
      onSeen?.(latest);
    };
    showNotice(
      createConflictChoice({
        fields: FIELDS.flatMap((field) => {
          const mine = changes[field];
          return mine === undefined ? [] : [{ field, mine, theirs: latest[field] }];
        }),
        others,
        onMine: () => {
          applyLatest(changes);
          save(latest);
        },
        onTheirs: () => {
          applyLatest({});
          form.focus();
        },
      }),
    );
    conflicting = true;
    notice.querySelector('button')?.focus();
  }

  /** @param {Step} step */
  async function go(step) {
    if (!neighbours?.has(step)) return;
    try {
      await neighbours.go(step);
    } catch (error) {
      showProblem(t('products.dialog.step_failed', { isNext: step > 0, reason: messageOf(error) }), nextStep(error));
    }
  }

  const dialog = showDialog({
    title: product ? product.name || product.sku : t('products.new'),
    headActions: steps?.element,
    address,
    content: [notice, form.element, times, history?.element],
    footer: h('div', {}, actions, question.element),
    testid: 'product-dialog',
    mayClose,
    onClose,
  });
  dialog.element.addEventListener('keydown', (event) => {
    const step = stepOf(event);
    if (!step || !steps) return;
    event.preventDefault();
    leave(() => go(step));
  });
  const showNeighbours = () => neighbours && steps?.show(neighbours.has);
  showNeighbours();
  show(product);
  form.put(draft);
  setBusy(false);
  // On a touch screen the focus would open the keyboard over the content.
  if (!product || window.matchMedia('(pointer: fine)').matches) form.focus();
  if (product) {
    refresh(product.id);
    history?.load();
  }

  /**
   * Save a value of the history at once. What was typed into other fields stays there.
   * @param {FieldName} field
   * @param {string | boolean} value
   */
  async function restore(field, value) {
    if (busy || conflicting || !product) return;
    showNotice();
    setBusy(true);
    const result = await saveProduct(product.id, { [field]: value }, () => known ?? product);
    setBusy(false);
    const typed = { ...form.changes(), [field]: value };
    if (result.product) {
      show(result.product);
      form.put(typed);
      onSeen?.(result.product);
      announce(t('products.dialog.restored', { field: FIELD_LABELS[field] }));
      history?.focus();
      history?.load();
    } else if (result.latest) {
      showConflict(typed, result.latest);
    } else {
      showError(result.error);
    }
  }

  /**
   * Load the latest version, because the row may be old. Typed text is not replaced.
   * @param {number} id
   */
  async function refresh(id) {
    try {
      await settled(id);
      /** @type {Product} */
      const latest = await getJson(addressOf(id));
      if (!dialog.element.isConnected || busy || latest.updated_at === known?.updated_at || isChanged()) return;
      show(latest);
      onSeen?.(latest);
    } catch (error) {
      if (hasStatus(error, 404) && dialog.element.isConnected) showError(error);
    }
  }

  return {
    close: dialog.close,
    leave,
    showNeighbours,
    focusStep: (step) => steps?.focus(step),
  };
}

/**
 * @param {FormValues} values
 * @returns {Promise<SaveResult>}
 */
async function create(values) {
  try {
    /** @returns {Promise<Product>} */
    const post = () => sendJson('POST', '/api/products', { body: fromPage(values) });
    return { product: await ownChange(post, (saved) => ({ ids: [saved.id], delta: 1 })) };
  } catch (error) {
    return { error };
  }
}
