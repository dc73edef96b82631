"use strict";
// The model, as pure functions: what a symbol's probability is, and how words are drawn.
//
// V symbols, S states. Ids count from 0, and 0 is the boundary that starts and ends every word.
// Only + - * / on float64 and integers decide what is drawn, so every browser draws the same.
// Math.exp, Math.log and Math.pow may differ between browsers in the last bit and are not used.

const BOUNDARY = 0;
const MAX_LENGTH = 10000; // characters; a longer word shows that the model does not end its words
const DRAWS = 2 ** 53; // a draw is an integer in [0, DRAWS)

// ---- numbers ----

const LN2 = 0.6931471805599453;
const SQRT2 = 1.4142135623730951;
const number = new Float64Array(1);
const bits = new Uint32Array(number.buffer); // [low, high] on a little-endian machine, as all are

/** Return the natural logarithm of a normal x > 0, or -Infinity for 0, to about 1e-16. */
function log(x) {
  if (x === 0) return -Infinity;
  number[0] = x;
  let exponent = (bits[1] >>> 20) - 1023;
  bits[1] = (bits[1] & 0xfffff) | 0x3ff00000; // number[0] is now x / 2**exponent, in [1, 2)
  let mantissa = number[0];
  if (mantissa > SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  // log m = 2 artanh z, and |z| <= 0.172 makes eleven terms of its series enough.
  const z = (mantissa - 1) / (mantissa + 1);
  let sum = 0;
  for (let k = 21; k >= 1; k -= 2) sum = sum * z * z + 1 / k;
  return exponent * LN2 + 2 * z * sum;
}

/** Return e**x for x <= 0, to about 1e-15; 0 below -700. */
function exp(x) {
  if (x < -700) return 0;
  const exponent = Math.round(x / LN2);
  const rest = x - exponent * LN2; // |rest| <= 0.35 makes fourteen terms of the series enough
  let sum = 1;
  for (let k = 14; k >= 1; k -= 1) sum = 1 + (sum * rest) / k;
  bits[0] = 0;
  bits[1] = (exponent + 1023) << 20; // number[0] is now 2**exponent
  return sum * number[0];
}

/**
 * Return a function that returns draws: integers of 53 bits, uniform.
 *
 * xoshiro128** (Blackman and Vigna 2021, "Scrambled linear pseudorandom number generators"), whose
 * state is four outputs of a mixed counter that starts at the seed, an integer in [0, 2**32).
 */
function randomDraws(seed) {
  let counter = seed | 0;
  const mixed = () => {
    counter = (counter + 0x9e3779b9) | 0;
    let z = counter;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  let [a, b, c, d] = [mixed(), mixed(), mixed(), mixed()];
  const rotate = (x, k) => (x << k) | (x >>> (32 - k));
  const next = () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result;
  };
  return () => (next() >>> 5) * 2 ** 26 + (next() >>> 6);
}

// ---- the model ----

/** Return what Python's Arcs.packed() packed: arrays one after another, of S and of A elements. */
async function unpackArcs({ start, states, arcs, packed }) {
  const compressed = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  let offset = 0;
  const take = (Type, length) => {
    const array = new Type(buffer, offset, length);
    offset += array.byteLength;
    return array;
  };
  return {
    start,
    fallbacks: take(Int32Array, states),
    shares: take(Float32Array, states),
    probabilities: take(Float32Array, arcs),
    successors: take(Int32Array, arcs),
    lengths: take(Uint16Array, states),
    symbols: take(Uint16Array, arcs),
  };
}

/** The model as states: what may come next in each, and where it leads. */
class Automaton {
  constructor(V, arcs) {
    this.V = V;
    this.start = arcs.start;
    this.arcs = arcs;
    this.firsts = new Int32Array(arcs.lengths.length + 1); // the first arc of each state
    arcs.lengths.forEach((length, s) => (this.firsts[s + 1] = this.firsts[s] + length));
    this.rows = new Map(); // of states that were asked for: a word visits few
  }

  /** Return P(next symbol | state) and the successors, both of shape (V,). */
  row(state) {
    if (!this.rows.has(state)) this.rows.set(state, this.makeRow(state));
    return this.rows.get(state);
  }

  makeRow(state) {
    const { fallbacks, shares, symbols, probabilities, successors } = this.arcs;
    const lower = fallbacks[state] < 0 ? null : this.row(fallbacks[state]);
    const P = lower ? lower.P.map((p) => shares[state] * p) : new Float64Array(this.V);
    const next = lower ? lower.next.slice() : new Int32Array(this.V);
    for (let arc = this.firsts[state]; arc < this.firsts[state + 1]; arc += 1) {
      P[symbols[arc]] = probabilities[arc];
      next[symbols[arc]] = successors[arc];
    }
    return { P, next };
  }
}

/** Return the distribution that words are drawn from, up to a constant factor, (V,) -> (V,). */
function nextDistribution(P, temperature) {
  if (temperature === 1) return P;
  const largest = Math.max(...P);
  if (temperature === 0) {
    const likeliest = P.indexOf(largest); // the first of equals
    return P.map((_, symbol) => (symbol === likeliest ? 1 : 0));
  }
  return P.map((p) => (p === 0 ? 0 : exp(log(p / largest) / temperature)));
}

/** Return the cumulative distribution on the scale of the draws, (V,) -> (V,). */
function drawThresholds(P) {
  let sum = 0;
  const cumulative = P.map((p) => (sum += p));
  // From the last possible symbol on this is DRAWS: no draw can step past it.
  return cumulative.map((c) => Math.round((c / sum) * DRAWS));
}

/** Return the first symbol whose threshold lies above the draw. */
function drawSymbol(thresholds, draw) {
  let low = 0;
  let high = thresholds.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (thresholds[middle] > draw) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Draws words that begin with a prefix and are not empty, as ids without the boundary. */
class Sampler {
  constructor(automaton, { temperature = 1, prefix = [] } = {}) {
    this.automaton = automaton;
    this.temperature = temperature;
    this.prefix = prefix;
    this.thresholds = new Map(); // by state
    this.start = automaton.start;
    this.possible = true;
    for (const symbol of prefix) {
      const { P, next } = automaton.row(this.start);
      this.possible &&= nextDistribution(P, temperature)[symbol] > 0;
      this.start = next[symbol];
    }
    const first = nextDistribution(automaton.row(this.start).P, temperature).slice();
    if (prefix.length === 0) first[BOUNDARY] = 0; // the condition that the word is not empty
    this.first = drawThresholds(first);
    this.possible &&= first.some((p) => p > 0);
  }

  /** Return a word, or null where no word is possible or the word has not ended. */
  word(random) {
    if (!this.possible) return null;
    const word = [...this.prefix];
    let state = this.start;
    let symbol = drawSymbol(this.first, random());
    while (symbol !== BOUNDARY) {
      word.push(symbol);
      if (word.length > MAX_LENGTH) return null;
      state = this.automaton.row(state).next[symbol];
      symbol = drawSymbol(this.thresholdsOf(state), random());
    }
    return word;
  }

  thresholdsOf(state) {
    if (!this.thresholds.has(state)) {
      const P = nextDistribution(this.automaton.row(state).P, this.temperature);
      this.thresholds.set(state, drawThresholds(P));
    }
    return this.thresholds.get(state);
  }
}

/** Return up to count words; fewer where the model writes none, or does not end its words. */
function sample(automaton, count, seed, options) {
  const sampler = new Sampler(automaton, options);
  const random = randomDraws(seed);
  const words = [];
  while (words.length < count) {
    const word = sampler.word(random);
    if (word === null) break;
    words.push(word);
  }
  return words;
}

/** Return -log P in nats of each symbol of a word and of its end, (T,) ids -> (T + 1,). */
function surprises(automaton, word) {
  let state = automaton.start;
  return [...word, BOUNDARY].map((symbol) => {
    const { P, next } = automaton.row(state);
    state = next[symbol];
    return -log(P[symbol]);
  });
}
