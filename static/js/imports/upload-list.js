// The uploads under way, each with its own bar, shown above the earlier imports.

import { progressAnnouncer } from '../core/announcer.js';
import { buildBanner } from '../core/banner.js';
import { h, setText } from '../core/dom.js';
import { formatBytes, formatTimeLeft } from '../core/format.js';
import { icon } from '../core/icons.js';
import { toast } from '../core/toast.js';
import { progressBar } from '../core/widgets.js';
import { cancelUpload, currentUploads, dismissUpload, retryUpload, uploadChanged } from './upload-queue.js';

/**
 * @returns {{element: HTMLElement, stop: () => void}}
 */
export function createUploadList() {
  const element = h('section', { class: 'uploads', 'aria-label': 'Uploads' });
  const cards = new Map();
  const update = (upload) => {
    const gone = upload.state === 'done' || upload.state === 'cancelled';
    if (gone) {
      cards.get(upload.id)?.element.remove();
      cards.delete(upload.id);
    } else {
      if (!cards.has(upload.id)) {
        cards.set(upload.id, uploadCard(upload));
        element.append(cards.get(upload.id).element);
      }
      cards.get(upload.id).show(upload);
    }
    element.hidden = cards.size === 0;
  };
  element.hidden = true;
  currentUploads().forEach(update);
  return { element, stop: uploadChanged.subscribe(update) };
}

function uploadCard(upload) {
  const bar = progressBar({ label: `Upload of ${upload.file.name}`, testid: 'upload-progress' });
  const percent = h('span', { class: 'upload-percent' });
  const detail = h('p', { class: 'muted tabular' });
  const problem = h('div', {});
  const say = progressAnnouncer();
  const cancel = h('button', {
    class: 'button button-small',
    type: 'button',
    text: 'Cancel',
    'aria-label': `Cancel the upload of ${upload.file.name}`,
    on: {
      click: () => {
        cancelUpload(upload);
        toast('Upload cancelled');
      },
    },
  });
  const element = h(
    'article',
    { class: 'card upload-card', 'aria-label': upload.file.name, data: { testid: 'upload-card' } },
    h(
      'div',
      { class: 'upload-head' },
      icon('file', 'muted'),
      h('p', { class: 'upload-name', text: upload.file.name, title: upload.file.name }),
      percent,
      cancel,
    ),
    bar.element,
    detail,
    problem,
  );

  const show = () => {
    const value = upload.total ? Math.floor((upload.loaded / upload.total) * 100) : 0;
    const failed = upload.state === 'failed';
    bar.element.hidden = failed;
    detail.hidden = failed;
    cancel.hidden = failed || upload.state === 'storing';
    percent.hidden = failed || upload.state === 'waiting';
    bar.set(value);
    setText(percent, `${value}%`);
    setText(detail, describe(upload));
    if (upload.state === 'sending') say(value, `Uploading ${upload.file.name}: ${value} percent`);
    problem.replaceChildren(...(failed ? [failure(upload)] : []));
  };
  return { element, show };
}

function describe(upload) {
  if (upload.state === 'waiting') return `${formatBytes(upload.file.size)} · waiting for the upload before it`;
  if (upload.state === 'storing') return `${formatBytes(upload.total)} sent · the server is storing the file`;
  const parts = [`${formatBytes(upload.loaded)} of ${formatBytes(upload.total)}`];
  if (upload.bytesPerSecond > 0) {
    parts.push(`${formatBytes(upload.bytesPerSecond)}/s`);
    parts.push(`${formatTimeLeft((upload.total - upload.loaded) / upload.bytesPerSecond)} left`);
  }
  return parts.join(' · ');
}

function failure(upload) {
  return buildBanner({
    title: upload.error,
    detail: upload.hint,
    action: upload.retryable ? { label: 'Try again', run: () => retryUpload(upload) } : undefined,
    onDismiss: () => dismissUpload(upload),
  });
}
