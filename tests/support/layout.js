// Measures the page at the size that its window has. Python evaluates this function, which returns sentences about what
// does not fit. It looks at the topmost layer: an open menu, else an open dialog, else the page.
async () => {
  const SLACK_PX = 1;
  const CONTROLS =
    'a[href], button, input, select, textarea, summary, [role="button"], [role^="menuitem"], [tabindex="0"]';
  const LABELS = 'button, label, .button, summary, th, .pill, h1, h2, h3, [role^="menuitem"]';
  // Rows of a list look alike, so the first ones are enough.
  const LATER_ROWS = 'tbody tr:nth-of-type(n + 8) *, li:nth-of-type(n + 12) *';
  // Code, and tables of numbers or of what a file contains, for which WCAG 1.4.10 makes an exception.
  const MAY_BE_WIDE =
    'pre, code, textarea, input, .readings, :has(> .table-rejects, > .table-hours, > .table-products)';
  // They cover what is below them on purpose, and disappear: notices, and the editor of a cell with its messages.
  const TRANSIENT = '.toast, .cell-overlay';

  // Charts and tables adapt with ResizeObservers, which run before the next frame.
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);

  const root = document.documentElement;
  const layer =
    [...document.querySelectorAll(':popover-open')].at(-1) ??
    [...document.querySelectorAll('dialog:modal')].at(-1) ??
    document.body;
  /** The scroll positions to restore. */
  const scrolled = new Map();

  const describe = (element) => {
    const classes = [...element.classList].map((part) => `.${part}`).join('');
    const testid = element.dataset.testid ? `[${element.dataset.testid}]` : '';
    const text = element.getAttribute('aria-label') || element.textContent.trim().replace(/\s+/g, ' ');
    return `${element.localName}${classes}${testid} "${text.slice(0, 50)}"`;
  };

  /** Whether somebody sees the element. The skip link is outside of the window until it has the focus. */
  function isVisible(element) {
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
    return !element.closest('[inert], .skip-link') && hasArea(element);
  }
  /** Texts for screen readers are in an element of one pixel. */
  function hasArea(element) {
    if (!areas.has(element)) {
      const { width, height } = element.getBoundingClientRect();
      areas.set(element, width > 1 && height > 1 && (!element.parentElement || hasArea(element.parentElement)));
    }
    return areas.get(element);
  }
  const areas = new Map();
  const visible = (selector, parent = layer) =>
    [...parent.querySelectorAll(selector)].filter((element) => !element.matches(LATER_ROWS) && isVisible(element));

  function findWideParts() {
    if (root.scrollWidth <= root.clientWidth) return [];
    const wide = visible('*', document.body).filter(
      (part) => part.getBoundingClientRect().right > root.clientWidth + SLACK_PX,
    );
    return [`The page is ${root.scrollWidth} px wide: ${wide.slice(0, 4).map(describe).join(', ')}`];
  }

  const findWideScrollers = () =>
    [...layer.querySelectorAll('*')]
      .filter((part) => part.scrollWidth > part.clientWidth + SLACK_PX && !part.matches(MAY_BE_WIDE))
      .filter((part) => /auto|scroll/.test(getComputedStyle(part).overflowX) && isVisible(part))
      .map((part) => `${describe(part)} scrolls sideways: its content has ${part.scrollWidth} px`);

  /** What keeps a part of the control out of view, however people scroll; "" if nothing does. */
  function findCut(control) {
    let { left, right, top, bottom } = control.getClientRects()[0];
    let { position } = getComputedStyle(control);
    let isFixed = position === 'fixed';
    for (let parent = control.parentElement; parent !== document.body && !isFixed; parent = parent.parentElement) {
      const style = getComputedStyle(parent);
      const isOutOfFlow = position === 'absolute' && style.position === 'static';
      if (!isOutOfFlow) {
        position = style.position;
        const box = parent.getBoundingClientRect();
        const isBeside = left < box.left - SLACK_PX || right > box.right + SLACK_PX;
        const isBeyond = top < box.top - SLACK_PX || bottom > box.bottom + SLACK_PX;
        if (isBeside && /hidden|clip/.test(style.overflowX) && style.textOverflow !== 'ellipsis') {
          return `${describe(parent)} cuts it off`;
        }
        if (isBeyond && /hidden|clip/.test(style.overflowY)) return `${describe(parent)} cuts it off`;
        if (style.overflowX !== 'visible') [left, right] = clamp(left, right, box.left, box.right);
        if (style.overflowY !== 'visible') [top, bottom] = clamp(top, bottom, box.top, box.bottom);
      }
      isFixed = style.position === 'fixed' || parent.matches(':popover-open, dialog:modal');
    }
    if (left < -SLACK_PX || right > innerWidth + SLACK_PX) return `it is at ${range(left, right)}`;
    const isBeyond = top < -SLACK_PX || bottom > innerHeight + SLACK_PX;
    return isFixed && isBeyond ? `it is at ${range(top, bottom)} from the top of the window` : '';
  }
  const range = (from, to) => `${Math.round(from)} to ${Math.round(to)} px`;
  const clamp = (from, to, least, most) => [from, to].map((edge) => Math.min(most, Math.max(least, edge)));

  /** The element that gets a click on the middle of the control; null if that is out of view. */
  function findHit(control) {
    const { left, right, top, bottom } = control.getClientRects()[0];
    return document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  }

  /** The element that covers the control; null if it can be clicked. */
  function findCover(control) {
    const isHit = (hit) => {
      const label = hit?.closest('label');
      return hit && (control.contains(hit) || label?.control === control || label?.contains(control));
    };
    if (isHit(findHit(control))) return null;
    for (let parent = control.parentElement; parent; parent = parent.parentElement) {
      if (!scrolled.has(parent)) scrolled.set(parent, { left: parent.scrollLeft, top: parent.scrollTop });
    }
    control.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
    const hit = findHit(control);
    return isHit(hit) || hit?.closest(TRANSIENT) ? null : (hit ?? root);
  }

  function findHiddenControls() {
    const found = visible(CONTROLS).map((control) => {
      const cut = findCut(control);
      if (cut) return `${describe(control)} is not in the window: ${cut}`;
      const cover = findCover(control);
      return cover && `${describe(control)} is covered by ${describe(cover)}`;
    });
    for (const [element, position] of scrolled) element.scrollTo({ ...position, behavior: 'instant' });
    return found.filter(Boolean);
  }

  /** Whether an ellipsis shows that a text of people goes on. Texts of the product itself must fit. */
  function isShortened(text, label) {
    for (let part = text.parentElement; label.contains(part); part = part.parentElement) {
      const { textOverflow, webkitLineClamp } = getComputedStyle(part);
      if (textOverflow === 'ellipsis' || webkitLineClamp !== 'none') return part.closest('[title], [dir]') !== null;
    }
    return false;
  }

  function isCut(text, label) {
    if (!text.data.trim() || !isVisible(text.parentElement)) return false;
    const box = label.getBoundingClientRect();
    const content = document.createRange();
    content.selectNodeContents(text);
    const { left, right, bottom } = content.getBoundingClientRect();
    const isOutside = left < box.left - SLACK_PX || right > box.right + SLACK_PX || bottom > box.bottom + SLACK_PX;
    return isOutside && !isShortened(text, label);
  }

  function findCutTexts() {
    return visible(LABELS)
      .filter((label) => {
        const walker = document.createTreeWalker(label, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) if (isCut(walker.currentNode, label)) return true;
        return false;
      })
      .map((label) => `The text of ${describe(label)} is cut`);
  }

  function findOverlaps() {
    const header = document.querySelector('.app-header');
    const parts = header ? visible('a, button, label, .activity-text', header) : [];
    const boxes = parts
      .filter((part) => !part.closest('.menu'))
      .map((part) => ({ part, box: part.getBoundingClientRect() }));
    const isOverlap = (one, other) =>
      one.left + SLACK_PX < other.right &&
      other.left + SLACK_PX < one.right &&
      one.top + SLACK_PX < other.bottom &&
      other.top + SLACK_PX < one.bottom;
    return boxes.flatMap(({ part, box }, at) =>
      boxes
        .slice(at + 1)
        .filter((other) => isOverlap(box, other.box) && !part.contains(other.part))
        .map((other) => `In the header, ${describe(part)} overlaps ${describe(other.part)}`),
    );
  }

  return [...findWideParts(), ...findWideScrollers(), ...findHiddenControls(), ...findCutTexts(), ...findOverlaps()];
};
