// Runs before the first paint, so that a remembered theme never flashes in the wrong one.
(() => {
  try {
    const theme = localStorage.getItem('theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be blocked; the system's setting then decides.
  }
})();
