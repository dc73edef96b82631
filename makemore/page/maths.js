"use strict";
// Functions with the same results in every browser: logarithm, exponential, random draws.
//
// The draws depend only on integers and on + - * / and square roots of float64, which IEEE 754
// defines to the last bit. Math.exp, Math.log, Math.tanh and Math.pow are not used, because browsers
// may differ in their last bit.

const LN2 = 0.6931471805599453;
const SQRT2 = 1.4142135623730951;
const SMALLEST = 2 ** -1022; // the smallest normal number
const number = new Float64Array(1);
const bits = new Uint32Array(number.buffer); // [low, high], as all machines are little-endian

/** Return the natural logarithm of x >= 0, to about 1e-16; -Infinity below the normal numbers. */
function log(x) {
  if (x < SMALLEST) return -Infinity;
  number[0] = x;
  let exponent = (bits[1] >>> 20) - 1023;
  bits[1] = (bits[1] & 0xfffff) | 0x3ff00000; // number[0] is now x / 2**exponent, in [1, 2)
  let mantissa = number[0];
  if (mantissa > SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  // log m = 2 artanh z; with |z| <= 0.172 eleven terms of its series are enough.
  const z = (mantissa - 1) / (mantissa + 1);
  let sum = 0;
  for (let k = 21; k >= 1; k -= 2) sum = sum * z * z + 1 / k;
  return exponent * LN2 + 2 * z * sum;
}

/** Return e**x for x <= 0, to about 1e-15; 0 below -700. */
function exp(x) {
  if (x < -700) return 0;
  const exponent = Math.round(x / LN2);
  const rest = x - exponent * LN2; // with |rest| <= 0.35 fourteen terms of the series are enough
  let sum = 1;
  for (let k = 14; k >= 1; k -= 1) sum = 1 + (sum * rest) / k;
  bits[0] = 0;
  bits[1] = (exponent + 1023) << 20; // number[0] is now 2**exponent
  return sum * number[0];
}

/** Return the hyperbolic tangent of x, to an absolute error of about 1e-16. */
function tanh(x) {
  const e = exp(-2 * Math.abs(x));
  const value = (1 - e) / (1 + e);
  return x < 0 ? -value : value;
}

/** Return 1 / (1 + e**-x), to about 1e-16. */
function sigmoid(x) {
  const e = exp(-Math.abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

/** Return exp(logits) normalised, (V,) -> (V,). The maximum is subtracted to avoid overflow. */
function softmax(logits) {
  const greatest = largest(logits);
  const P = Float64Array.from(logits, (z) => exp(z - greatest));
  const sum = P.reduce((total, p) => total + p, 0);
  return P.map((p) => p / sum);
}

/** Return the maximum of numbers, which may be too many for the arguments of Math.max. */
function largest(values) {
  return values.reduce((greatest, value) => (value > greatest ? value : greatest), -Infinity);
}

/**
 * Return a function that returns draws: uniform integers of 53 bits.
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
