// Three things that Streamlit leaves out: a filter that is set makes an entry of the browser's history, so that Back takes it away again,
// hyphens and underscores typed into the filter of models are the spaces that the names there are spelled with, and a section that an
// address names is where the page starts.
(() => {
  if (window.promptJoulesListens) return;
  window.promptJoulesListens = true;

  const replace = window.history.replaceState.bind(window.history);
  window.history.replaceState = (state, unused, address) => {
    // Streamlit gives whole addresses where a visitor sets a widget, and paths where the app corrects one.
    const next = typeof address === "string" && /^https?:/.test(address) && new URL(address);
    const isFilter = next && next.pathname === window.location.pathname && next.search !== window.location.search;
    return isFilter ? window.history.pushState(state, unused, address) : replace(state, unused, address);
  };

  // Styles of the app move the sections to which Streamlit has scrolled before them.
  const section = () => document.getElementById(decodeURIComponent(window.location.hash.slice(1)));
  if (window.location.hash) requestAnimationFrame(() => requestAnimationFrame(() => section()?.scrollIntoView()));

  // In the capturing phase: the widget reads the box after us.
  document.addEventListener("input", ({ target }) => {
    if (!(target instanceof HTMLInputElement) || !target.closest(".st-key-model_named") || !/[-_]/.test(target.value)) return;
    const place = target.selectionStart;
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(target, target.value.replace(/[-_]/g, " "));
    target.setSelectionRange(place, place);
  }, true);
})();
