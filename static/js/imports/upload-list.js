// The uploads that have not ended, each with a progress bar.

import { progressAnnouncer } from '../core/announcer.js';
import { buildBanner } from '../core/banner.js';
import { h, setText } from '../core/dom.js';
import { formatBytes, formatTimeLeft } from '../core/format.js';
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
  const element = h('section', { class: 'uploads', 'aria-label': 'Uploads' });
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
  const bar = progressBar({ label: `Upload of ${name}`, testid: 'upload-progress' });
  const percent = h('span', { class: 'upload-percent' });
  const detail = h('p', { class: 'muted tabular' });
  const problem = h('div', {});
  const announceProgress = progressAnnouncer();
  const cancel = h('button', {
    class: 'button button-small',
    type: 'button',
    text: 'Cancel',
    'aria-label': `Cancel the upload of ${name}`,
    on: {
      click: () => {
        cancelUpload(upload);
        toast('Upload cancelled');
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
    setText(percent, `${value}%`);
    setText(detail, describeUpload(upload));
    if (upload.state === 'sending') announceProgress(value, `Uploading ${name}: ${value}%`);
    problem.replaceChildren(...(hasFailed ? [failureBanner(upload)] : []));
  };
  return { element, show };
}

/** @param {Upload} upload */
function describeUpload(upload) {
  if (upload.state === 'waiting') return `${formatBytes(upload.file.size)} · waiting for the previous upload`;
  if (upload.state === 'storing') return `${formatBytes(upload.total)} sent · the server is storing the file`;
  const parts = [`${formatBytes(upload.loaded)} of ${formatBytes(upload.total)}`];
  if (upload.bytesPerSecond > 0) {
    parts.push(`${formatBytes(upload.bytesPerSecond)}/s`);
    parts.push(`${formatTimeLeft((upload.total - upload.loaded) / upload.bytesPerSecond)} left`);
  }
  return parts.join(' · ');
}

/** @param {Upload} upload a failed one */
function failureBanner(upload) {
  return buildBanner({
    title: upload.error,
    detail: upload.hint,
    action: upload.retryable ? { label: 'Try again', run: () => retryUpload(upload) } : undefined,
    onDismiss: () => dismissUpload(upload),
  });
}
