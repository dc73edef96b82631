// What all parts of the page share: data, elements, settings. Texts from the checkpoint become text
// nodes; the security policy (trusted types) forbids anything else.

const SVG = "http://www.w3.org/2000/svg";
const MAX_WORDS = 1000;
const MAX_SEED = 2 ** 32 - 1;

const byId = (id) => document.getElementById(id);
const field = Object.fromEntries(
  ["prefix", "temperature", "count", "seed", "word"].map((name) => [name, byId(name)]),
);
const data = JSON.parse(byId("data").textContent);
const itos = ["", ...data.characters]; // by code points, as in Python; or a list of symbols
const stoi = new Map(itos.map((character, id) => [character, id]));
stoi.delete("");
const numbers = new Intl.NumberFormat("en-GB");
let model = null;

// ---- elements and texts ----

/** Return a new element with attributes, and with children that are elements or texts. */
function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** Return a new SVG element with attributes and children. */
function svgElement(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function svgText(words, x, y, anchor, attributes = {}) {
  return svgElement("text", { x, y, "text-anchor": anchor, ...attributes }, words);
}

function svgLine(x1, y1, x2, y2, name) {
  return svgElement("line", { class: name, x1, y1, x2, y2 });
}

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// A joiner is not escaped between characters that it may join.
const JOINED = "(?<=[^\\0-\\x7f])[\\u200c\\u200d](?=[^\\0-\\x7f\\u200c\\u200d])";
const HIDDEN = new RegExp(`(?!${JOINED})(?:[\\p{C}\\p{Zl}\\p{Zp}]|(?! )\\p{Zs})`, "gu");

/** Return text with escapes for unprintable characters, as Python's errors.shown does. */
function shown(text) {
  return text.replace(HIDDEN, (character) => {
    const code = character.codePointAt(0);
    if (code < 0x100) return "\\x" + code.toString(16).padStart(2, "0");
    if (code < 0x10000) return "\\u" + code.toString(16).padStart(4, "0");
    return "\\U" + code.toString(16).padStart(8, "0");
  });
}

const quoted = (text) => `\u201c${shown(text)}\u201d`;

/** Return the label of a symbol. */
function label(symbol) {
  if (symbol === BOUNDARY) return ".";
  const character = itos[symbol];
  if (character === " ") return "\u2423"; // a space would be invisible
  if (character === "." || character === "\u2423") return `'${character}'`; // itself
  return /^\p{M}/u.test(character) ? "\u25cc" + character : shown(character); // on a dotted circle
}

/** Return a probability in per cent, with three significant digits. */
function percent(p) {
  if (p === 0) return "0 %";
  return p < 1e-6 ? `${(p * 100).toExponential(1)} %` : `${Number((p * 100).toPrecision(3))} %`;
}

/** Return a number with its noun, as "1 word" or "2 words". */
const counted = (n, what) => `${numbers.format(n)} ${what}${n === 1 ? "" : "s"}`;

/** Return typed text as the model reads it. */
const asRead = (text) => readAs(text, data.reading);
const isKnown = (character) => stoi.has(character);
const encode = (text) => cut(text).map((symbol) => stoi.get(symbol));
const decode = (ids) => ids.map((id) => itos[id]).join("");

const several = new Set([...itos, ...data.unknown].filter((symbol) => [...symbol].length > 1));
const longest = [...several].reduce((length, symbol) => Math.max(length, [...symbol].length), 1);

/** Return the symbols of a text: from the left, always the longest that matches, as in Python. */
function cut(text) {
  const characters = [...text];
  const symbols = [];
  for (let i = 0, n = 1; i < characters.length; i += n) {
    n = Math.min(longest, characters.length - i);
    while (n > 1 && !several.has(characters.slice(i, i + n).join(""))) n--;
    symbols.push(characters.slice(i, i + n).join(""));
  }
  return symbols;
}

// ---- the settings, which are in the fields and in the address ----

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Return the number in a text, clamped to its range, or the default if there is none. */
function numberIn(text, byDefault, low, high) {
  const value = text === null || text.trim() === "" ? NaN : Number(text);
  return Number.isFinite(value) ? clamp(value, low, high) : byDefault;
}

function settings() {
  return {
    count: Math.trunc(numberIn(field.count.value, 20, 1, MAX_WORDS)),
    temperature: numberIn(field.temperature.value, 1, 0, 2),
    prefix: field.prefix.value,
    seed: Math.trunc(numberIn(field.seed.value, 0, 0, MAX_SEED)),
    word: field.word.value,
  };
}

/** Fill the fields from the address, or with their defaults. */
function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  field.count.value = Math.trunc(numberIn(asked.get("count"), 20, 1, MAX_WORDS));
  field.temperature.value = numberIn(asked.get("temperature"), 1, 0, 2);
  field.prefix.value = asked.get("prefix") ?? "";
  field.seed.value = Math.trunc(numberIn(asked.get("seed"), data.seed, 0, MAX_SEED));
  field.word.value = asked.get("word") ?? "";
  wordIsChosen = asked.has("word");
}

function writeAddress() {
  const wanted = Object.entries(settings()).filter(
    ([name, value]) => value !== "" && (name !== "word" || wordIsChosen),
  );
  history.replaceState(null, "", "#" + new URLSearchParams(wanted));
}
