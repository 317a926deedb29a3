// Adds "Download as SVG" to the toolbar of every chart, beside Streamlit's "Download as PNG": the drawing as it stands on the screen.
// Streamlit makes toolbars anew when it likes to, so the button is added when the pointer or the keyboard comes to a chart.
(() => {
  if (window.promptJoulesSavesSvg) return;
  window.promptJoulesSavesSvg = true;

  const save = (drawing, name) => {
    const copy = drawing.cloneNode(true);
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    ground.setAttribute("width", "100%");
    ground.setAttribute("height", "100%");
    ground.setAttribute("fill", getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor);
    copy.prepend(ground);
    const address = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = `prompt-joules-${name}.svg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  };

  const offer = ({ target }) => {
    const frame = target instanceof Element && target.closest('[data-testid="stFullScreenFrame"]');
    const png = frame && frame.querySelector('button[aria-label^="Download as PNG"]');
    if (!png || frame.querySelector("[data-save-svg]") || !frame.querySelector("svg.marks")) return;
    const place = png.closest('[data-testid="stElementToolbarButton"]');
    const added = place.cloneNode(true);
    const button = added.querySelector("button");
    const about = png.getAttribute("aria-label").replace("Download as PNG", "Download as SVG");
    button.dataset.saveSvg = "";
    button.title = "Download as SVG";
    button.setAttribute("aria-label", about);
    button.textContent = "SVG";
    button.style.fontSize = "0.7rem";
    const name = about.split(": ").slice(1).join(" ").toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60).replace(/^-|-$/g, "");
    button.addEventListener("click", () => save(frame.querySelector("svg.marks"), name || "chart"));
    place.after(added);
  };

  document.addEventListener("pointerover", offer);
  document.addEventListener("focusin", offer);
})();
