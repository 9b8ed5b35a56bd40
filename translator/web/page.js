// What the browser does by itself: one listener for the whole page, as Gradio draws its
// parts anew. Nothing is fetched from elsewhere.

// The text that was typed, when nothing was typed for a while. Of many changes the last
// goes on, and only while the user is in the box: an example asks for itself.
let changes = 0;
window.translatorTyped = async (...values) => {
  const change = ++changes;
  await new Promise((done) => setTimeout(done, 350));
  const box = document.querySelector("#source textarea");
  if (change !== changes || document.activeElement !== box) return new Promise(() => {});
  return [box.value, ...values.slice(1)];
};

// The choices for a word may open below the edge of the screen.
window.translatorShowWords = () =>
  document.querySelector("#words")?.scrollIntoView({ block: "nearest", behavior: "smooth" });

window.translatorCount = (text, limit) => {
  const count = [...(text ?? "")].length;
  const kind = count > limit ? "counter over" : "counter";
  return `<span class="${kind}">${count.toLocaleString("en")} / ${limit.toLocaleString("en")}</span>`;
};

window.translatorCopy = async () => {
  const text = document.querySelector("#target .translation")?.dataset.text;
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
  const button = document.querySelector("#copy");
  button.textContent = "Copied";
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

function showWeights(token) {
  const block = token.closest(".alignment");
  const weights = token.dataset.weights.split(" ");
  block.querySelectorAll(".targets .token").forEach((one) =>
    one.classList.toggle("chosen", one === token));
  block.querySelectorAll(".sources .token").forEach((one, index) => {
    one.style.setProperty("--weight", weights[index]);
    one.title = weights[index];
  });
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
