// How numbers read.

/** Seconds as people say them: 84 ms, 1.2 s, 3 m 12 s, 2 h 5 m. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.0995) return `${round(seconds * 1000, seconds < 0.00995 ? 1 : 0)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.5) return `${round(seconds, seconds < 9.95 ? 1 : 0)} s`;
  return long(Math.round(seconds));
}

/** Whole units only, for what counts up every second. */
export function age(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < 60 ? `${whole} s` : long(whole);
}

function long(seconds) {
  if (seconds < 3600) return pair(seconds, 60, "m", "s");
  if (seconds < 86400) return pair(Math.floor(seconds / 60), 60, "h", "m");
  return pair(Math.floor(seconds / 3600), 24, "d", "h");
}

function pair(amount, base, large, small) {
  const rest = amount % base;
  return `${Math.floor(amount / base)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
}

/** A number with as many digits as help. */
export function figure(number) {
  if (number >= 99.5) return Math.round(number).toLocaleString("en");
  return String(round(number, number < 9.95 ? 1 : 0));
}

/** Bytes in binary units. */
export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; count >= 1000 && unit < units.length - 1; unit++) count /= 1024;
  return `${unit ? round(count, count < 9.95 ? 1 : 0) : count} ${units[unit]}`;
}

/** The time of day of a moment in seconds since the epoch. */
export function clock(moment) {
  return new Date(moment * 1000).toLocaleTimeString("en-GB");
}

/** One thing, several things. */
export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

function round(number, digits) {
  return Number(number.toFixed(digits));
}
