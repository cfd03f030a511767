// The uploads that have not ended, each with a progress bar.

import { progressAnnouncer } from '../core/announcer.js';
import { buildBanner } from '../core/banner.js';
import { h, setText } from '../core/dom.js';
import { formatBytes, formatShare, formatTimeLeft } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { toast } from '../core/toast.js';
import { progressBar } from '../core/widgets.js';
import { cancelUpload, currentUploads, dismissUpload, retryUpload, uploadChanged } from './upload-queue.js';

/** @import { Upload } from './upload-queue.js' */

/**
 * Create the list. It is hidden while it is empty.
 * @returns {{element: HTMLElement, stop: () => void}}
 */
export function createUploadList() {
  const element = h('section', { class: 'uploads', 'aria-label': t('imports.upload.list') });
  /** @type {Map<number, ReturnType<typeof uploadCard>>} */
  const cards = new Map();
  /** @param {Upload} upload */
  const update = (upload) => {
    const card = cards.get(upload.id);
    if (upload.state === 'done' || upload.state === 'cancelled') {
      card?.element.remove();
      cards.delete(upload.id);
    } else if (card) {
      card.show();
    } else {
      const newCard = uploadCard(upload);
      cards.set(upload.id, newCard);
      element.append(newCard.element);
      newCard.show();
    }
    element.hidden = cards.size === 0;
  };
  element.hidden = true;
  currentUploads().forEach(update);
  return { element, stop: uploadChanged.subscribe(update) };
}

/** @param {Upload} upload */
function uploadCard(upload) {
  const { name } = upload.file;
  const bar = progressBar({ label: t('imports.upload.bar', { name }), testid: 'upload-progress' });
  const percent = h('span', { class: 'upload-percent' });
  const detail = h('p', { class: 'muted tabular' });
  const problem = h('div', {});
  const announceProgress = progressAnnouncer();
  const cancel = h('button', {
    class: 'button button-small',
    type: 'button',
    text: t('common.cancel'),
    'aria-label': t('imports.upload.cancel', { name }),
    on: {
      click: () => {
        cancelUpload(upload);
        toast(t('imports.upload.cancelled'));
      },
    },
  });
  const element = h(
    'article',
    { class: 'card upload-card', 'aria-label': name, data: { testid: 'upload-card' } },
    h(
      'div',
      { class: 'upload-head' },
      icon('file', 'muted'),
      h('p', { class: 'upload-name', text: name, title: name }),
      percent,
      cancel,
    ),
    bar.element,
    detail,
    problem,
  );

  /** Show the current state of the upload. */
  const show = () => {
    const value = upload.total ? Math.floor((upload.loaded / upload.total) * 100) : 0;
    const hasFailed = upload.state === 'failed';
    bar.element.hidden = hasFailed;
    detail.hidden = hasFailed;
    cancel.hidden = hasFailed || upload.state === 'storing';
    percent.hidden = hasFailed || upload.state === 'waiting';
    bar.set(value);
    const share = formatShare(value / 100);
    setText(percent, share);
    setText(detail, describeUpload(upload));
    if (upload.state === 'sending') announceProgress(value, t('imports.upload.progress', { name, percent: share }));
    problem.replaceChildren(...(hasFailed ? [failureBanner(upload)] : []));
  };
  return { element, show };
}

/** @param {Upload} upload */
function describeUpload(upload) {
  if (upload.state === 'waiting') return t('imports.upload.waiting', { size: formatBytes(upload.file.size) });
  if (upload.state === 'storing') return t('imports.upload.storing', { size: formatBytes(upload.total) });
  const { loaded, total, bytesPerSecond } = upload;
  const amounts = { sent: formatBytes(loaded), total: formatBytes(total) };
  if (bytesPerSecond <= 0) return t('imports.upload.sent', amounts);
  return t('imports.upload.sent_with_speed', {
    ...amounts,
    speed: formatBytes(bytesPerSecond),
    time: formatTimeLeft((total - loaded) / bytesPerSecond),
  });
}

/** @param {Upload} upload a failed one */
function failureBanner(upload) {
  return buildBanner({
    title: upload.error,
    detail: upload.hint,
    action: upload.retryable ? { label: t('common.try_again'), run: () => retryUpload(upload) } : undefined,
    onDismiss: () => dismissUpload(upload),
  });
}
