// The dialogs of products above the list: their addresses, and the way from one product to the next one in the list.

import { getJson, hasStatus, messageOf, nextStep } from '../core/api.js';
import { showDialog } from '../core/dialog.js';
import { h } from '../core/dom.js';
import { oneLine } from '../core/format.js';
import { t } from '../core/i18n.js';
import { replaceAddress } from '../core/router.js';
import { openProduct } from './dialog.js';
import { addressOf } from './save-queue.js';

/** @import { Product, ProductPagination } from '../core/types.d.ts' */
/** @import { ProductDialog, Step } from './dialog.js' */
/** @import { FieldValues } from './edit-conflict.js' */

/**
 * A dialog that is open, and where its product is on the page of the list; null if it is not there.
 * @typedef {object} OpenProduct
 * @property {number} id
 * @property {number | undefined} page the number of that page
 * @property {number | null} index
 * @property {ProductDialog} dialog
 */

/**
 * The wish for another page than the one with this number.
 * @typedef {object} WaitingStep
 * @property {number | undefined} page
 * @property {(products: Product[]) => void} resolve
 * @property {(error: unknown) => void} reject
 */

const TITLE = t('products.page_title');

/**
 * Create the dialogs of a list.
 * @param {object} host
 * @param {() => Product[]} host.products on the page of the list
 * @param {() => ProductPagination | null} host.pagination of the page; null before the first one has loaded
 * @param {(step: Step) => void} host.turnPage go to the page before or after this one, in place of it
 * @param {(id: number) => void} host.focus focus the row of a product
 * @param {(product: Product) => void} host.onDelete
 * @param {(product: Product) => void} host.onSeen
 * @param {(product: Product) => void} host.onSaved
 */
export function createProductDialogs(host) {
  let query = '';
  /** @type {OpenProduct | null} */
  let current = null;
  /** @type {WaitingStep | null} */
  let waiting = null;
  /** The latest address that was followed. A later one replaces an earlier one that is still loading. */
  let followed = 0;
  let isStopped = false;

  /** @param {number} id */
  const dialogAddress = (id) => `#/products/${id}${query}`;

  /** @param {number} id @returns {number | null} */
  const indexOf = (id) => {
    const index = host.products().findIndex((product) => product.id === id);
    return index < 0 ? null : index;
  };

  /**
   * @param {Product} product
   * @param {FieldValues} [draft] values that were typed elsewhere and not saved
   */
  function open(product, draft = {}) {
    const dialog = openProduct({
      product,
      draft,
      address: dialogAddress(product.id),
      neighbours: { has, go },
      onDelete: host.onDelete,
      onSeen: host.onSeen,
      onSaved: host.onSaved,
      onClose: () => current?.dialog === dialog && forget(product.id),
    });
    current = { id: product.id, index: indexOf(product.id), page: host.pagination()?.page, dialog };
    dialog.showNeighbours();
    document.title = `${oneLine(product.name || product.sku, 80)} · ${TITLE}`;
  }

  /** @param {number} id of the product whose dialog has closed */
  function forget(id) {
    current = null;
    waiting?.resolve([]);
    if (isStopped) return;
    document.title = TITLE;
    // The dialog of an address was not opened from a row, to which the focus would return.
    if (document.activeElement === document.body) host.focus(id);
  }

  /**
   * Return the product before or after the one of the dialog, if the page has it. After the product has left the page,
   * its former place counts.
   * @param {Step} step
   */
  function neighbour(step) {
    if (!current) return undefined;
    const index = indexOf(current.id);
    if (index !== null) return host.products()[index + step];
    return current.index === null ? undefined : host.products()[step > 0 ? current.index : current.index - 1];
  }

  /** @param {Step} step @returns {boolean} */
  function has(step) {
    const pagination = host.pagination();
    if (!current || current.index === null || !pagination) return false;
    if (neighbour(step)) return true;
    return step > 0 ? Boolean(pagination.next) || pagination.page < pagination.pages : pagination.page > 1;
  }

  /** @param {Step} step */
  async function go(step) {
    const from = current;
    if (!from || waiting) return;
    const product = neighbour(step) ?? (await turnPage(step));
    if (product && current === from) replace(from, product, step);
  }

  /**
   * @param {Step} step
   * @returns {Promise<Product | undefined>} the first product of the next page, or the last one of the previous page
   */
  async function turnPage(step) {
    try {
      /** @type {Product[]} */
      const products = await new Promise((resolve, reject) => {
        waiting = { page: host.pagination()?.page, resolve, reject };
        host.turnPage(step);
      });
      return products.at(step > 0 ? 0 : -1);
    } finally {
      waiting = null;
    }
  }

  /**
   * @param {OpenProduct} from
   * @param {Product} product
   * @param {Step} step
   */
  function replace(from, product, step) {
    const isByButton = document.activeElement?.closest('.product-steps');
    from.dialog.close();
    // When the dialog closes, the focus is to return to the row of its product.
    host.focus(product.id);
    open(product);
    if (isByButton) current?.dialog.focusStep(step);
  }

  /**
   * Open the dialog that belongs to an address.
   * @param {number} id
   */
  async function openAddress(id) {
    followed += 1;
    const turn = followed;
    if (current?.id === id) return;
    /** @param {() => void} show */
    const showIfWanted = (show) => {
      if (turn !== followed || isStopped) return;
      // The entry of the dialog comes above one of the list, to which Back and closing lead.
      replaceAddress(`#/products${query}`);
      if (!current) return show();
      const { dialog } = current;
      return dialog.leave(() => {
        dialog.close();
        show();
      });
    };
    try {
      const product = host.products().find((known) => known.id === id) ?? (await getJson(addressOf(id)));
      showIfWanted(() => open(product));
    } catch (error) {
      showIfWanted(() => showMissing(id, error));
    }
  }

  /**
   * Say that a product cannot be shown.
   * @param {number} id
   * @param {unknown} error
   */
  function showMissing(id, error) {
    const isGone = hasStatus(error, 404);
    const text = isGone ? t('products.missing.text') : [messageOf(error), nextStep(error)].filter(Boolean).join(' ');
    const button = h('button', {
      class: 'button button-primary',
      type: 'button',
      text: isGone ? t('products.missing.show') : t('products.try_again'),
      data: { testid: 'product-missing-action' },
      on: {
        click: () => {
          dialog.close();
          if (!isGone) openAddress(id);
        },
      },
    });
    const dialog = showDialog({
      title: isGone ? t('products.missing.title') : t('products.missing.not_loaded'),
      content: [h('p', { message: text })],
      footer: h('div', { class: 'dialog-actions' }, button),
      testid: 'product-missing',
      address: dialogAddress(id),
    });
    button.focus();
  }

  return {
    open,
    address: dialogAddress,
    /**
     * Follow the address of the screen.
     * @param {string | undefined} id of the product whose dialog is to be open
     * @param {URLSearchParams} latest the query of the list
     */
    follow(id, latest) {
      query = latest.size ? `?${latest}` : '';
      if (id) openAddress(Number(id));
      else followed += 1;
    },
    /** @param {boolean} isNew whether the page of the list is another one than before */
    pageShown(isNew) {
      const page = host.pagination()?.page;
      if (current) {
        current.index = indexOf(current.id) ?? (page === current.page ? current.index : null);
        current.page = page;
        current.dialog.showNeighbours();
      }
      if (isNew || page !== waiting?.page) waiting?.resolve(host.products());
    },
    /** @param {unknown} error of loading the page of the list */
    pageFailed: (error) => waiting?.reject(error),
    stop() {
      isStopped = true;
    },
  };
}
