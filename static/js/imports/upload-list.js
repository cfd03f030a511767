// The uploads that have not ended, each with a progress bar.

import { announce, progressAnnouncer } from '../core/announcer.js';
import { buildBanner } from '../core/banner.js';
import { h, setText } from '../core/dom.js';
import { formatBytes, formatShare, formatTimeLeft } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { toast } from '../core/toast.js';
import { progressBar } from '../core/widgets.js';
import { pickFile } from './drop-zone.js';
import {
  cancelUpload,
  continueUpload,
  currentUploads,
  pauseUpload,
  resumeUpload,
  uploadChanged,
} from './upload-queue.js';

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
  const { name } = upload;
  const bar = progressBar({ label: t('imports.upload.bar', { name }), testid: 'upload-progress' });
  const percent = h('span', { class: 'upload-percent' });
  const detail = h('p', { class: 'muted tabular' });
  const problem = h('div', {});
  const announceProgress = progressAnnouncer();
  let isOtherFile = false;
  const chooseAgain = () =>
    pickFile((file) => {
      isOtherFile = !continueUpload(upload, file);
      show();
    });
  const pause = smallButton(
    t('imports.upload.pause'),
    t('imports.upload.pause_label', { name }),
    'pause-upload',
    () => {
      const isPaused = upload.state === 'paused';
      if (isPaused) resumeUpload(upload);
      else pauseUpload(upload);
      // What comes next begins with the same button.
      announce(isPaused ? t('imports.upload.resumed') : t('imports.upload.is_paused'));
    },
  );
  const choose = smallButton(
    t('imports.upload.choose_again'),
    t('imports.upload.choose_again_label', { name }),
    'continue-upload',
    chooseAgain,
  );
  choose.classList.add('button-primary');
  const cancel = smallButton(t('common.cancel'), t('imports.upload.cancel', { name }), 'cancel-upload', () => {
    cancelUpload(upload);
    toast(t('imports.upload.cancelled'));
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
      choose,
      pause,
      cancel,
    ),
    bar.element,
    detail,
    problem,
  );

  /** Show the current state of the upload. */
  const show = () => {
    const value = upload.total ? Math.floor((upload.loaded / upload.total) * 100) : 0;
    const { state } = upload;
    const hasFailed = state === 'failed';
    const isPaused = state === 'paused';
    element.dataset.state = state;
    bar.element.hidden = hasFailed;
    detail.hidden = hasFailed;
    pause.hidden = !(isPaused || state === 'sending' || state === 'interrupted');
    setText(pause, isPaused ? t('imports.upload.resume') : t('imports.upload.pause'));
    pause.setAttribute(
      'aria-label',
      isPaused ? t('imports.upload.resume_label', { name }) : t('imports.upload.pause_label', { name }),
    );
    choose.hidden = state !== 'unfinished';
    cancel.hidden = hasFailed || state === 'storing';
    percent.hidden = hasFailed || (state === 'waiting' && !upload.loaded);
    bar.set(value);
    const share = formatShare(value / 100);
    setText(percent, share);
    setText(detail, describeUpload(upload));
    if (state === 'sending') announceProgress(value, t('imports.upload.progress', { name, percent: share }));
    if (hasFailed) problem.replaceChildren(failureBanner(upload));
    else if (isOtherFile && state === 'unfinished') problem.replaceChildren(otherFileBanner(upload));
    else problem.replaceChildren();
  };
  return { element, show };
}

/**
 * @param {string} text
 * @param {string} label
 * @param {string} testid
 * @param {() => void} run
 */
const smallButton = (text, label, testid, run) =>
  h('button', {
    class: 'button button-small',
    type: 'button',
    text,
    'aria-label': label,
    data: { testid },
    on: { click: run },
  });

/** @param {Upload} upload */
function describeUpload(upload) {
  const { loaded, total, bytesPerSecond, state } = upload;
  if (state === 'waiting') return t('imports.upload.waiting', { size: formatBytes(total) });
  if (state === 'storing') return t('imports.upload.storing', { size: formatBytes(total) });
  const amounts = { sent: formatBytes(loaded), total: formatBytes(total) };
  if (state === 'paused') return t('imports.upload.paused', amounts);
  if (state === 'interrupted') return t('imports.upload.interrupted', amounts);
  if (state === 'unfinished') return t('imports.upload.unfinished', amounts);
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
    action: upload.retryable ? { label: t('common.try_again'), run: () => resumeUpload(upload) } : undefined,
    onDismiss: () => cancelUpload(upload),
  });
}

/** @param {Upload} upload an unfinished one */
const otherFileBanner = ({ name, total }) =>
  buildBanner({
    tone: 'warning',
    title: t('imports.upload.other_file'),
    detail: t('imports.upload.other_file_hint', { name, size: formatBytes(total) }),
  });
