// A chart is saved as a picture that can stand alone, as PNG and as SVG: above the drawing, as it stands on the screen, the question of
// the page and what the chart shows; below it the filters, the sources and the address. And two buttons copy the address and a citation.
// Streamlit makes toolbars anew when it likes to, so the SVG button is added when the pointer or the keyboard comes to a chart.
(() => {
  if (window.promptJoulesSavesPictures) return;
  window.promptJoulesSavesPictures = true;

  const SVG = "http://www.w3.org/2000/svg";
  const EDGE = 16;
  const pen = document.createElement("canvas").getContext("2d");

  const made = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // A text in lines of at most so many pixels.
  const inLines = (text, font, width) => {
    pen.font = font;
    return text.split(/\s+/).filter(Boolean).reduce((lines, word) => {
      const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
      if (lines.length && pen.measureText(longer).width <= width) lines[lines.length - 1] = longer;
      else lines.push(word);
      return lines;
    }, []);
  };

  const question = () => document.querySelector("h1")?.textContent.trim() ?? "Prompt Joules";
  const said = (key) => [...document.querySelectorAll("[data-said]")].at(-1)?.dataset[key] ?? "";
  const cited = () => `${question()} ${said("cite") || "Prompt Joules"}. ${location.href}, ${new Date().toISOString().slice(0, 10)}.`;

  // The drawing with words above and below it.
  const composed = (drawing, about) => {
    const { width: wide, height: high } = drawing.getBoundingClientRect();
    const style = getComputedStyle(document.querySelector('[data-testid="stApp"]'));
    const family = style.fontFamily;
    const blocks = [
      { text: question(), size: 17, weight: 650 },
      { text: about, size: 12, weight: 400 },
      { text: `${said("said")} ${location.href}`, size: 10.5, weight: 400 },
    ].map((block) => ({ ...block, lines: inLines(block.text, `${block.weight} ${block.size}px ${family}`, wide) }));
    const tall = ({ lines, size }) => lines.length * size * 1.4 + 4;
    const [head, below, foot] = blocks.map(tall);
    const all = { width: wide + 2 * EDGE, height: head + below + high + foot + 3 * EDGE };
    const picture = made("svg", { xmlns: SVG, ...all, viewBox: `0 0 ${all.width} ${all.height}` });
    picture.append(made("rect", { width: "100%", height: "100%", fill: style.backgroundColor }));
    const top = EDGE + head + below;
    const tops = [EDGE, EDGE + head, top + high + EDGE];
    blocks.forEach(({ lines, size, weight }, place) =>
      lines.forEach((line, row) => {
        const at = { x: EDGE, y: tops[place] + (row + 1) * size * 1.4 - 0.3 * size, fill: style.color, "font-size": size };
        picture.append(made("text", { ...at, "font-weight": weight, "font-family": family }, line));
      }),
    );
    const copy = drawing.cloneNode(true);
    const words = [...drawing.querySelectorAll("text")].map((text) => getComputedStyle(text).fill);
    copy.querySelectorAll("text").forEach((text, place) => text.setAttribute("fill", words[place]));
    Object.entries({ x: EDGE, y: top, width: wide, height: high }).forEach(([key, value]) => copy.setAttribute(key, value));
    picture.append(copy);
    return { text: new XMLSerializer().serializeToString(picture), ...all };
  };

  const download = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  const save = (drawing, about, kind) => {
    const picture = composed(drawing, about);
    const name = about.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60).replace(/^-|-$/g, "") || "chart";
    const vector = new Blob([picture.text], { type: "image/svg+xml" });
    if (kind === "svg") return download(vector, `prompt-joules-${name}.svg`);
    const image = new Image();
    image.onload = () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 2 * picture.width, height: 2 * picture.height });
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      URL.revokeObjectURL(image.src);
      canvas.toBlob((blob) => download(blob, `prompt-joules-${name}.png`));
    };
    image.src = URL.createObjectURL(vector);
  };

  const aboutOf = (button) => (button.getAttribute("aria-label") ?? "").split(": ")[1] ?? "";

  const offer = ({ target }) => {
    const frame = target instanceof Element && target.closest('[data-testid="stFullScreenFrame"]');
    const png = frame && frame.querySelector('button[aria-label^="Download as PNG"]');
    if (!png || frame.querySelector("[data-save-svg]") || !frame.querySelector("svg.marks")) return;
    const place = png.closest('[data-testid="stElementToolbarButton"]');
    const added = place.cloneNode(true);
    const button = added.querySelector("button");
    button.dataset.saveSvg = "";
    button.title = "Download as SVG";
    button.setAttribute("aria-label", png.getAttribute("aria-label").replace("Download as PNG", "Download as SVG"));
    button.textContent = "SVG";
    button.style.fontSize = "0.7rem";
    place.after(added);
  };

  const copy = async (button) => {
    const text = button.dataset.copy === "link" ? location.href : cited();
    const box = Object.assign(document.createElement("textarea"), { value: text });
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without HTTPS there is no clipboard: the old way.
      document.body.append(box);
      box.select();
      document.execCommand("copy");
      box.remove();
    }
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = before), 1500);
  };

  // In the capturing phase: Streamlit's own PNG has no words around the drawing.
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("button");
    if (!button) return;
    const drawing = button.closest('[data-testid="stFullScreenFrame"]')?.querySelector("svg.marks");
    const kind = "saveSvg" in button.dataset ? "svg" : button.getAttribute("aria-label")?.startsWith("Download as PNG") && "png";
    if (drawing && kind) {
      event.preventDefault();
      event.stopImmediatePropagation();
      save(drawing, aboutOf(button), kind);
    } else if (button.dataset.copy && button.closest("[data-said]")) {
      copy(button);
    }
  }, true);
  document.addEventListener("pointerover", offer);
  document.addEventListener("focusin", offer);
})();
