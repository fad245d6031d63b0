"use strict";
// Formulas are drawn by KaTeX, which never runs what they hold (trust: false) and gives MathML to screen readers.
const OPTIONS = { throwOnError: true, trust: false, strict: "ignore", maxExpand: 1000, maxSize: 50 };
const CHECK_AFTER_MS = 150;
const CHUNK_MS = 30;

function draw(element, latex, displayMode) {
  const drawn = document.createElement("span");
  try {
    katex.render(latex, drawn, { ...OPTIONS, displayMode });
    element.replaceChildren(drawn);
    return "";
  } catch (error) {
    return String(error.message || error);
  }
}

// KaTeX has 280 kB, and sixty formulas take a tenth of a second: the page is painted first, with its boxes and LaTeX.
function load(address) {
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = address;
    script.addEventListener("load", done);
    script.addEventListener("error", failed);
    document.head.append(script);
  });
}
const painted = new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
const ready = painted.then(() => load("/static/katex/katex.min.js")).then(() => load("/static/katex/mhchem.min.js"));

async function drawAll() {
  await ready;
  let begun = performance.now();
  for (const element of document.querySelectorAll(".math[data-latex]")) {
    if (!element.dataset.isTyped) draw(element, element.dataset.latex, element.dataset.display === "1");
    if (performance.now() - begun > CHUNK_MS) {
      await new Promise((done) => setTimeout(done));
      begun = performance.now();
    }
  }
  document.documentElement.dataset.drawn = "1";
}
drawAll();

const picture = document.querySelector(".sheet image");
if (picture) {
  picture.addEventListener("error", () => { document.getElementById("no-picture").hidden = false; });
}
if (matchMedia("(min-width: 50rem)").matches) {
  document.querySelector("svg [aria-current] .box")?.scrollIntoView({ block: "nearest" });
}

// The LaTeX around an error, the character itself marked.
function excerpt(latex, at) {
  const code = document.createElement("code");
  const mark = document.createElement("mark");
  mark.textContent = latex.slice(at, at + 1) || "\u2423";
  code.append(latex.slice(Math.max(0, at - 12), at), mark, latex.slice(at + 1, at + 12));
  return code;
}

const form = document.getElementById("review");
const editor = document.getElementById("latex");

if (form && editor) {
  const verdict = document.getElementById("verdict");
  const rendered = document.getElementById("rendered");
  const save = form.querySelector("button[value=correct]");
  const draft = `draft ${location.host} ${form.dataset.formula} ${editor.dataset.stored}`;
  let timer = 0;
  let asked = 0;

  const show = async () => {
    const latex = editor.value;
    const number = ++asked;
    rendered.dataset.isTyped = "1";
    await ready;
    if (number !== asked) return;
    if (save) save.disabled = !latex.trim();
    rendered.classList.toggle("stale", draw(rendered, latex, rendered.dataset.display === "1") !== "");
    const body = new URLSearchParams({ latex, csrf: form.elements.csrf.value });
    try {
      const answer = await fetch("/check", { method: "POST", body });
      const result = await answer.json();
      if (number !== asked) return;
      verdict.className = result.valid ? "" : "problem";
      verdict.textContent = result.valid ? (latex === editor.dataset.stored ? "" : "valid, not saved yet") : result.problem;
      document.getElementById("spoken").textContent = result.spoken ? `Said: ${result.spoken}` : "";
      verdict.dataset.position = result.position ?? "";
      if (result.position !== null) verdict.append(excerpt(latex, result.position));
      editor.setAttribute("aria-invalid", String(!result.valid));
    } catch {
      verdict.textContent = "The server does not answer; what you typed is kept in this browser.";
    }
  };

  editor.addEventListener("input", () => {
    if (editor.value === editor.dataset.stored) localStorage.removeItem(draft);
    else localStorage.setItem(draft, editor.value);
    clearTimeout(timer);
    timer = setTimeout(show, CHECK_AFTER_MS);
  });
  // The place of an error: a click on it, or Enter, puts the cursor there.
  verdict.addEventListener("click", () => {
    const at = verdict.dataset.position;
    if (at !== "" && at !== undefined) {
      editor.focus();
      editor.setSelectionRange(Number(at), Number(at) + 1);
    }
  });
  form.addEventListener("submit", () => localStorage.removeItem(draft));
  editor.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (save && !save.disabled) save.click();
    } else if (event.key === "Escape") {
      editor.blur();
    }
  });
  const number = form.elements.number;
  const numberDraft = `number ${location.host} ${form.dataset.formula} ${number.defaultValue}`;
  number.value = localStorage.getItem(numberDraft) ?? number.defaultValue;
  number.addEventListener("input", () => {
    if (number.value === number.defaultValue) localStorage.removeItem(numberDraft);
    else localStorage.setItem(numberDraft, number.value);
  });
  form.addEventListener("submit", () => localStorage.removeItem(numberDraft));
  number.addEventListener("keydown", (event) => {
    if (event.key === "Escape") event.target.blur();
    if (event.key === "Enter") {
      event.preventDefault();
      if (save && !save.disabled) save.click();
    }
  });
  const kept = localStorage.getItem(draft);
  if (kept !== null && kept !== editor.value) {
    editor.value = kept;
    show();
  }
}

// Drawing the box of a formula that was missed.
const sheet = document.querySelector(".sheet svg");
const missed = document.getElementById("missed");
const drawing = document.getElementById("draw");
if (sheet && missed && drawing) {
  const NS = "http://www.w3.org/2000/svg";
  let start = null;
  let drawn = null;
  const place = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(sheet.getScreenCTM().inverse());
  missed.addEventListener("toggle", () => sheet.classList.toggle("drawing", missed.open));
  sheet.addEventListener("click", (event) => { if (missed.open) event.preventDefault(); }, true);
  sheet.addEventListener("pointerdown", (event) => {
    if (!missed.open) return;
    event.preventDefault();
    sheet.setPointerCapture(event.pointerId);
    start = place(event);
    drawn?.remove();
    drawn = document.createElementNS(NS, "rect");
    drawn.setAttribute("class", "box drawn");
    sheet.append(drawn);
  });
  sheet.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const now = place(event);
    drawn.setAttribute("x", Math.min(start.x, now.x));
    drawn.setAttribute("y", Math.min(start.y, now.y));
    drawn.setAttribute("width", Math.abs(start.x - now.x));
    drawn.setAttribute("height", Math.abs(start.y - now.y));
  });
  sheet.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const now = place(event);
    const corners = { x0: Math.min(start.x, now.x), y0: Math.min(start.y, now.y), x1: Math.max(start.x, now.x), y1: Math.max(start.y, now.y) };
    start = null;
    if (corners.x1 - corners.x0 < 3 || corners.y1 - corners.y0 < 3) return;
    for (const [name, value] of Object.entries(corners)) drawing.elements[name].value = value.toFixed(1);
    // What is low and narrow stands in a line of text.
    const view = sheet.viewBox.baseVal;
    const isInline = corners.y1 - corners.y0 < 20 && corners.x1 - corners.x0 < 0.3 * view.width;
    drawing.elements.kind.value = isInline ? "inline" : "display";
    drawing.querySelector("button").focus();
  });
}

// Splitting: a line on the picture shows where the cut will be.
const split = document.getElementById("split");
if (split) {
  const knife = split.querySelector(".knife");
  const { x0, y0, x1, y1 } = Object.fromEntries(Object.entries(knife.dataset).map(([name, value]) => [name, Number(value)]));
  const cut = split.querySelector("form").elements;
  const showCut = () => {
    const share = Number(cut.at.value) / 100;
    const isAcross = cut.axis.value === "x";
    const [x, y] = [x0 + share * (x1 - x0), y0 + share * (y1 - y0)];
    const ends = isAcross ? [x, y0 - 2, x, y1 + 2] : [x0 - 2, y, x1 + 2, y];
    ["x1", "y1", "x2", "y2"].forEach((name, i) => knife.setAttribute(name, ends[i]));
    cut.at.disabled = cut.axis.value === "lines";
    knife.style.display = cut.at.disabled ? "none" : "";
  };
  split.addEventListener("toggle", () => {
    const image = split.querySelector("image");
    if (split.open) image.setAttribute("href", image.dataset.href);  // not before somebody wants to see it
    if (split.open) (cut.at.disabled ? split.querySelector("button") : cut.at).focus();
  });
  split.addEventListener("input", showCut);
  showCut();
}

// Merging: boxes of the page are chosen by a click.
const merge = document.getElementById("merge");
if (sheet && merge) {
  const parts = merge.querySelectorAll("input[type=checkbox]");
  const boxOf = (id) => sheet.querySelector(`a[data-formula="${id}"] .box`);
  const showJoined = () => parts.forEach((part) => boxOf(part.value)?.classList.toggle("joined", merge.open && part.checked));
  merge.addEventListener("toggle", () => {
    sheet.classList.toggle("joining", merge.open);
    showJoined();
    if (merge.open) merge.querySelector("button").focus();
  });
  merge.addEventListener("change", showJoined);
  sheet.addEventListener("click", (event) => {
    const id = event.target.closest("a[data-formula]")?.dataset.formula;
    const part = merge.open && id && [...parts].find((one) => one.value === id);
    if (!part) return;
    event.preventDefault();
    part.checked = !part.checked;
    showJoined();
  }, true);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  const button = form?.querySelector({ a: "[value=accept]", x: "[value=reject]", u: "[value=undo]" }[event.key] || "none");
  const link = /^\w$/.test(event.key) ? document.querySelector(`a[data-key="${event.key}"]`) : null;
  if (event.key === "e" && editor) {
    editor.focus();
    editor.select();
  } else if (event.key === "b" && missed) {
    missed.open = !missed.open;
  } else if (event.key === "m" && merge) {
    merge.open = !merge.open;
  } else if (event.key === "p" && split) {
    split.open = !split.open;
  } else if (event.key === "r" && form) {
    form.elements.number.select();
  } else if (event.key === "/") {
    document.getElementById("q").focus();
  } else if (event.key === "Escape" && editor) {
    editor.value = editor.dataset.stored;
    editor.dispatchEvent(new Event("input"));
  } else if (button && !button.disabled) {
    button.click();
  } else if (link) {
    link.click();
  } else {
    return;
  }
  event.preventDefault();
});
