// Changes typed text as the text of the training corpus was changed.

/**
 * Return text as the model reads it.
 *
 * normalize is a normal form or empty, lowercase a boolean, accents null or {marks, strokes}: the
 * marks to remove, as the inside of a character class, and letters without their strokes. The order
 * of the changes is that of Python's text_change.
 */
function readAs(text, { normalize, lowercase, accents }) {
  let read = normalize ? text.normalize(normalize) : text;
  if (lowercase) read = read.replace(/\u0130|I\u0307/g, "i").toLowerCase();
  return accents ? withoutAccents(read, accents) : read;
}

function withoutAccents(text, { marks, strokes }) {
  const bare = text.normalize("NFD").replace(new RegExp(`[${marks}]`, "gu"), "");
  return bare.replace(/[^]/gu, (character) => strokes[character] ?? character).normalize("NFC");
}

/** Return another form of a text that is known, or null. */
function knownForm(text, isKnown) {
  const bare = text.normalize("NFD").replace(/\p{M}/gu, "");
  const forms = [
    text.normalize("NFC"),
    text.normalize("NFD"),
    text.toLowerCase(),
    text.toUpperCase(),
    bare,
    bare.toLowerCase(),
    bare.toUpperCase(),
  ];
  return forms.find((form) => form && form !== text && isKnown(form)) ?? null;
}
