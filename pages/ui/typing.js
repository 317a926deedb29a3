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

  // Styles, charts and tables that come later move the section to which Streamlit has scrolled: follow it until the visitor acts.
  if (window.location.hash) {
    const named = decodeURIComponent(window.location.hash.slice(1));
    const begin = () => requestAnimationFrame(() => document.getElementById(named)?.scrollIntoView());
    const grown = new ResizeObserver(begin);
    const stop = () => grown.disconnect();
    for (const act of ["wheel", "touchstart", "pointerdown", "keydown"]) window.addEventListener(act, stop, { once: true, capture: true });
    grown.observe(document.querySelector("[data-testid=stMainBlockContainer]") ?? document.body);
    requestAnimationFrame(begin);
    setTimeout(stop, 15000);
  }

  // In the capturing phase: the widget reads the box after us.
  document.addEventListener("input", ({ target }) => {
    if (!(target instanceof HTMLInputElement) || !target.closest(".st-key-model_named") || !/[-_]/.test(target.value)) return;
    const place = target.selectionStart;
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(target, target.value.replace(/[-_]/g, " "));
    target.setSelectionRange(place, place);
  }, true);
})();
