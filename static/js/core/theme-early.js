// Apply the chosen theme before the first paint, so that the page never flashes in the wrong one.
(() => {
  try {
    const theme = localStorage.getItem('theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be blocked. The setting of the system then decides.
  }
})();
