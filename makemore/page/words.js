// Draws words, and scores one.

const MAX_SURPRISAL = 7; // nats with the full colour: a symbol expected once in 1,100
const MAX_UNSCROLLED = 100; // words; more are shown in a box that scrolls
const SLICE = 40; // milliseconds of drawing, after which the page may react
let drawing = 0; // the number of the latest drawing of words
let wordIsChosen = false; // by the user; if not, the first word is scored

// ---- the generator ----

function makeWords() {
  const { count, temperature, prefix, seed } = settings();
  const read = asRead(prefix);
  const unknown = cut(read).find((symbol) => !isKnown(symbol));
  const options = { temperature, prefix: encode(read) };
  const words = unknown === undefined ? drawnWords(model, count, seed, options) : [].values();
  byId("temperature-shown").textContent = String(temperature);
  byId("words").replaceChildren();
  byId("words").classList.toggle("many", count > MAX_UNSCROLLED);
  drawing += 1;
  drawSlice(words, { number: drawing, words: [], unknown, read, count, seed });
}

/** Draw words for a while, and the rest later, unless a new drawing has begun. */
function drawSlice(words, state) {
  const end = performance.now() + SLICE;
  const found = [];
  let next = words.next();
  for (; !next.done; next = words.next()) {
    if (next.value) found.push(next.value);
    if (performance.now() > end) break;
  }
  state.words.push(...found);
  byId("words").append(...found.map(wordItem));
  if (next.done) return reportWords(state);
  byId("make-status").textContent = `Drawing: ${numbers.format(state.words.length)} words so far.`;
  setTimeout(() => state.number === drawing && drawSlice(words, state));
}

function reportWords({ words, unknown, read, count, seed }) {
  const isWhole = words.length === count;
  const kinds = new Set(words.map(decode)).size;
  byId("make-problem").replaceChildren(...(isWhole ? [] : missingText(unknown, read)));
  byId("make-status").textContent = isWhole
    ? `${counted(count, "word")}, ${numbers.format(kinds)} distinct, seed ${seed}.`
    : "";
  field.prefix.setAttribute("aria-invalid", String(!isWhole));
  if (!wordIsChosen) {
    field.word.value = words.length ? decode(words[0]) : "";
    scoreWord();
  }
}

/** Return why there are fewer words than were asked for, and what to do. */
function missingText(unknown, read) {
  if (unknown !== undefined) {
    const many = counted(itos.length - 1, data.unit);
    const text = `${quoted(unknown)} is not among the ${many} that were learnt. `;
    return [text, ...knownFormButton(read, field.prefix, "Begin with")];
  }
  const such = read ? ` that begins with ${quoted(read)}` : "";
  return [`At this temperature the model writes no whole word${such}.`];
}

/** Return a button that replaces a text by a form whose characters are known, if there is one. */
function knownFormButton(text, target, what) {
  const form = knownForm(text, (form) => cut(form).every(isKnown));
  if (form === null) return [];
  const button = element("button", { type: "button", class: "inline" }, `${what} ${quoted(form)}`);
  button.addEventListener("click", () => {
    target.value = form;
    target.dispatchEvent(new Event("input"));
    target.focus();
  });
  return [button];
}

function wordItem(ids) {
  const word = decode(ids);
  const text = element("span", { dir: "auto" }, shown(word));
  const button = element("button", { type: "button" }, text);
  button.addEventListener("click", () => {
    field.word.value = word;
    wordIsChosen = true;
    scoreWord();
    writeAddress();
    if (!isInView(byId("tiles"))) field.word.scrollIntoView({ block: "center" });
  });
  return element("li", {}, button);
}

function isInView(part) {
  const { top, bottom } = part.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
}

function makeMore() {
  field.seed.value = crypto.getRandomValues(new Uint32Array(1))[0] % 1000000; // short in a link
  makeWords();
  writeAddress();
}

// ---- the clipboard ----

async function copy(text, what) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    done = copyBySelection(text); // a page from a disk may not use the clipboard
  }
  byId("make-status").textContent = done ? `${what} copied.` : "The browser forbids copying.";
}

function copyBySelection(text) {
  const back = document.activeElement;
  const area = element("textarea", { readonly: "" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  back?.focus();
  return done;
}

/** Return the words as they are shown, with control characters escaped. */
function wordsAsText() {
  return [...byId("words").children].map((item) => item.textContent + "\n").join("");
}

// ---- the scorer ----

function scoreWord() {
  const read = asRead(field.word.value);
  const characters = cut(read);
  const unknown = characters.findIndex((character) => !isKnown(character));
  const ids = encode(unknown < 0 ? read : characters.slice(0, unknown).join(""));
  const nats = surprisals(model, ids);
  if (unknown >= 0) nats.pop(); // the end of the word is not scored
  const tiles = nats.map((surprisal, t) => scoreTile(ids, t, surprisal));
  tiles.push(...characters.slice(ids.length).map(unscoredTile));
  const isEmpty = characters.length === 0;
  byId("tiles").replaceChildren(...(isEmpty ? [] : tiles));
  byId("score-status").replaceChildren(
    ...(isEmpty ? [] : scoreText(characters[unknown], nats, read)),
  );
  showComputation(ids, isEmpty ? [] : nats);
}

function scoreTile(ids, t, nats) {
  const { name, before } = stepNames(ids, t);
  const tile = element(
    "li",
    { title: `${name} ${before}: probability ${percent(exp(-nats))}` },
    element("b", {}, name),
    element("span", {}, natsText(nats)),
  );
  tile.classList.toggle("end", t === ids.length);
  tile.style.setProperty("--surprisal", Math.min(1, nats / MAX_SURPRISAL));
  return tile;
}

/** Return the name of the symbol at a step of a word, and what is before it. */
function stepNames(ids, t) {
  return {
    name: t < ids.length ? label(ids[t]) : "end",
    before: t === 0 ? "at the start" : `after ${label(ids[t - 1])}`,
  };
}

const natsText = (nats) => (Number.isFinite(nats) ? nats.toFixed(2) : "\u221e");

function unscoredTile(character) {
  const what = isKnown(character) ? "not scored" : "not learnt";
  return element(
    "li",
    { class: "unknown" },
    element("b", {}, shown(character)),
    element("span", {}, what),
  );
}

function scoreText(unknown, nats, read) {
  const typed = field.word.value === read ? "" : `Read as ${quoted(read)}. `;
  if (unknown !== undefined) {
    const text = `${typed}The model has never seen ${quoted(unknown)}, so the word has no score. `;
    return [text, ...knownFormButton(read, field.word, "Score")];
  }
  const total = nats.reduce((all, x) => all + x, 0);
  const mean = total / nats.length;
  if (!Number.isFinite(mean)) {
    return [`${typed}The model can never write this word: a step is impossible.`];
  }
  const typical = data.losses.training;
  const than = mean > typical ? "more surprising" : "more ordinary";
  return [
    `${typed}${total.toFixed(2)} nats in all, ${mean.toFixed(2)} per symbol: ${than} than its ` +
      `${data.losses.words}, which take ${typical.toFixed(2)}.`,
  ];
}
