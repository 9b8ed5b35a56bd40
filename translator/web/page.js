// What the browser does by itself: one listener for the whole page, as Gradio draws its
// parts anew. Nothing is fetched from elsewhere.

const find = (selector) => document.querySelector(selector);

// What the user wrote; a text that an example or a swap brings asks for itself. Until its
// translation comes, the sheet says that what it shows is that of another text.
const TEXT = "translator.text";
let typed = null;
document.addEventListener("input", ({ target }) => {
  if (!target.matches?.("#source textarea")) return;
  typed = target.value;
  sessionStorage.setItem(TEXT, typed);
  find("#sheet").classList.toggle("waiting", typed.trim() !== "");
});

// The text that was typed, when nothing was typed for a while. Of many changes the last
// goes on.
let changes = 0;
window.translatorTyped = async (...values) => {
  const change = ++changes;
  await new Promise((done) => setTimeout(done, 350));
  const text = find("#source textarea").value;
  if (change !== changes || text !== typed) return new Promise(() => {});
  return [text, ...values.slice(1)];
};

// A translation has come: it is that of the text, and Gradio's lists get their names.
window.translatorArrived = () => {
  sessionStorage.setItem(TEXT, find("#source textarea").value);
  find("#sheet").classList.remove("waiting");
  nameLists();
};

// Another model was chosen: a page that is loaded again has it, and the text.
window.translatorChosen = () => {
  const name = find("#target-name [data-model]")?.dataset.model;
  if (name) history.replaceState(null, "", `?model=${encodeURIComponent(name)}`);
};

async function bringBack() {
  const text = sessionStorage.getItem(TEXT);
  if (!text || new URLSearchParams(location.search).has("text")) return;
  for (let i = 0; i < 100 && !find("#source textarea"); ++i)
    await new Promise((done) => setTimeout(done, 100));
  const box = find("#source textarea");
  if (!box || box.value) return;
  box.value = text;
  box.dispatchEvent(new Event("input", { bubbles: true }));
}
bringBack();

function nameLists() {
  const language = find("#target .translation")?.lang;
  for (const list of document.querySelectorAll("fieldset.list")) {
    list.setAttribute("aria-label", list.querySelector("[data-testid=block-info]")?.textContent);
    if (language) list.querySelector(".wrap:has(label)")?.setAttribute("lang", language);
  }
}

// A word is clicked, or chosen by the keyboard: then its choices get the focus, and it has
// it again when one is taken.
let asked = null;
let byKeyboard = false;
window.translatorAsked = (word, event) => {
  asked = word.dataset;
  byKeyboard = event.type === "keydown";
  word.classList.add("asked");
};

window.translatorShowWords = () => {
  document.querySelectorAll("#target .asked").forEach((one) => one.classList.remove("asked"));
  nameLists();
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  find("#words")?.scrollIntoView({ block: "nearest", behavior });
  if (byKeyboard) find("#words input")?.focus({ preventScroll: true });
};

window.translatorBackToWord = () => {
  const { sentence, start } = asked ?? {};
  const words = `#target [data-sentence="${sentence}"]`;
  const word = find(`${words}[data-start="${start}"]`) ?? find(words);
  if (word && byKeyboard) enter(word);
};

// Lists and words are one stop of the Tab key each; arrows move in them.
const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
const GROUPS = [
  [".list", "input[type=radio]"],
  ["#target", ".word[data-start]"],
  [".targets", ".token"],
];

function enter(one) {
  const group = one.closest("#target, .targets");
  group?.querySelectorAll("[tabindex='0']").forEach((other) => (other.tabIndex = -1));
  if (group) one.tabIndex = 0;
  one.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.closest?.("#words")) translatorBackToWord();
  for (const [group, kind] of GROUPS) {
    const one = event.target.closest?.(`${group} ${kind}`);
    if (!one || !STEPS[event.key]) continue;
    event.preventDefault();
    const all = [...one.closest(group).querySelectorAll(kind)];
    const next = all[all.indexOf(one) + STEPS[event.key]];
    if (next) enter(next);
  }
});

// Gradio opens a dropdown's list again when Tab leaves it.
window.addEventListener("keydown", (event) => {
  if (event.key === "Tab" && event.target.closest?.("[role=combobox]")) event.stopPropagation();
}, true);

window.translatorCount = (text, limit) => {
  const count = [...(text ?? "")].length;
  const kind = count > limit ? "counter over" : "counter";
  return `<span class="${kind}">${count.toLocaleString("en")} / ${limit.toLocaleString("en")}</span>`;
};

window.translatorCopy = async () => {
  const text = find("#target .translation")?.dataset.text;
  if (!text) return;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS a browser has no clipboard for us, but it can copy a selection.
    const box = document.createElement("textarea");
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
  const button = find("#copy");
  button.textContent = "Copied";
  button.setAttribute("aria-live", "polite");
  setTimeout(() => (button.textContent = "Copy"), 1500);
};

// An SVG as a file that looks as on the page: its variables become colours.
function savePicture(picture, name) {
  const copy = picture.cloneNode(true);
  const style = getComputedStyle(picture);
  const background = getComputedStyle(document.body).backgroundColor;
  copy.style.background = background;
  const text = new XMLSerializer()
    .serializeToString(copy)
    .replace(/var\((--[\w-]+),\s*(#\w+)\)/g, (_, variable, colour) =>
      style.getPropertyValue(variable).trim() || colour);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// What a token looked at, for those who do not see the colours: the three that count most.
function readWeights(token, weights) {
  const sources = [...token.closest(".alignment").querySelectorAll(".sources .token")];
  const most = weights
    .map((weight, index) => [+weight, `${sources[index].textContent} ${weight}`])
    .sort((a, b) => b[0] - a[0])
    .slice(0, 3);
  return `${token.textContent}: ${most.map(([, told]) => told).join(", ")}`;
}

function showWeights(token) {
  const block = token.closest(".alignment");
  const weights = token.dataset.weights.split(" ");
  block.querySelectorAll(".targets .token").forEach((one) =>
    one.classList.toggle("chosen", one === token));
  block.querySelectorAll(".sources .token").forEach((one, index) => {
    one.style.setProperty("--weight", weights[index]);
    one.title = weights[index];
  });
  token.setAttribute("aria-label", readWeights(token, weights));
}

for (const kind of ["mouseover", "focusin", "click"]) {
  document.addEventListener(kind, ({ target }) => {
    const token = target.closest?.("[data-weights]");
    if (token) showWeights(token);
  });
}

document.addEventListener("click", ({ target }) => {
  const block = target.closest?.(".save-picture")?.closest(".with-picture");
  const picture = block?.querySelector("svg.picture");
  if (picture) savePicture(picture, `${block.id}.svg`);
});
