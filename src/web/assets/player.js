// The place in a night that is told again: which moment of it is shown, and how fast it goes on. The wall clock that counts
// is the night's own.

export const SPEEDS = [1, 10, 60, 600];
/** A night is told in about this long, unless somebody says otherwise. */
const USUAL_MS = 120_000;
/** With waits skipped, nothing is waited for longer than this. */
const LONGEST_WAIT_MS = 1_000;

export class Player {
  /** `due` says for each record when it came, in milliseconds. */
  constructor(due, seq) {
    this.due = due;
    this.playing = false;
    this.skips = false;
    const length = this.end - this.begin;
    this.speed = SPEEDS.find((speed) => length / speed <= USUAL_MS) ?? SPEEDS.at(-1);
    this.stand(seq);
  }

  get begin() {
    return this.due[0];
  }

  get end() {
    return this.due.at(-1);
  }

  get last() {
    return this.due.length;
  }

  get over() {
    return this.seq === this.last;
  }

  /** So much time of ours passed. */
  advance(milliseconds) {
    const next = this.due[this.seq];
    const longest = LONGEST_WAIT_MS * this.speed;
    if (this.skips && next !== undefined && next - this.now > longest) this.now = next - longest;
    this.now = Math.min(this.end, this.now + milliseconds * this.speed);
    while (this.seq < this.last && this.due[this.seq] <= this.now) this.seq += 1;
    if (this.over) this.playing = false;
  }

  /** Plays or stands; from the end it begins anew. */
  toggle() {
    if (!this.playing && this.over) this.stand(1);
    this.playing = !this.playing;
  }

  /** Stands behind a record. */
  stand(seq) {
    this.playing = false;
    this.seq = Math.max(1, Math.min(this.last, seq));
    this.now = this.due[this.seq - 1];
  }

  /** Stands at a moment of the night, behind the last record before it. */
  seek(moment) {
    this.now = Math.max(this.begin, Math.min(this.end, moment));
    let [low, high] = [1, this.last];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.due[middle - 1] <= this.now) low = middle;
      else high = middle - 1;
    }
    this.seq = low;
  }

  faster(by) {
    const at = SPEEDS.indexOf(this.speed) + by;
    if (at >= 0 && at < SPEEDS.length) this.speed = SPEEDS[at];
  }
}
