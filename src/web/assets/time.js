// Moments and lengths of time, written as the command line writes them.

let offset = 0;

/** Learns how far this machine's clock is from the server's. */
export function hear(serverNow) {
  offset = Date.parse(serverNow) - Date.now();
}

let held = null;

/** Tells the time of a night that is told again, until `release`. */
export function hold(moment) {
  held = moment;
}

export function release() {
  held = null;
}

/** The server's time now, or that of the night which is told again, in milliseconds. */
export function now() {
  return held ?? Date.now() + offset;
}

const two = (number) => String(number).padStart(2, "0");

/** `12s`, `3m05s`, `1h12m`, `50h`. */
export function length(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`;
  return `${Math.floor(seconds / 3600)}h`;
}

/** `2:13:45`, `13:45` or `3d 4h`: for a clock that is read across a room. */
export function large(milliseconds) {
  const seconds = Math.max(0, Math.floor(Math.abs(milliseconds) / 1000));
  if (seconds >= 48 * 3600) return `${Math.floor(seconds / 86400)}d ${Math.floor((seconds % 86400) / 3600)}h`;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${two(minutes)}:${two(seconds % 60)}`;
}

/** How long since or until a moment. */
export const since = (moment) => now() - Date.parse(moment);
export const until = (moment) => Date.parse(moment) - now();

/** The zone of whoever looks. */
export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const writers = new Map();

function write(moment, options) {
  const key = JSON.stringify(options);
  if (!writers.has(key)) writers.set(key, new Intl.DateTimeFormat("en-GB", { hourCycle: "h23", ...options }));
  try {
    return writers.get(key).format(new Date(moment));
  } catch {
    return String(moment);
  }
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" };

/** `03:12:45`, in the zone of whoever looks. */
export const clock = (moment) => write(moment, CLOCK);

/** `2026-11-21 03:12`. */
export function date(moment) {
  const at = new Date(moment);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** `2026-11-21`. */
export const day = (moment) => date(moment).split(" ")[0];

/** `03:12` in another zone. */
export const wall = (moment, timeZone) => {
  try {
    return write(moment, { hour: "2-digit", minute: "2-digit", timeZone });
  } catch {
    return write(moment, { hour: "2-digit", minute: "2-digit" });
  }
};
