// A run as the page knows it: a snapshot, and every patch since.

const LOG_LINES = 300;

export class Night {
  constructor(snapshot) {
    Object.assign(this, snapshot);
    this.rows = new Map(snapshot.steps.map((row) => [row.id, row]));
    delete this.steps;
  }

  /** Takes a patch in, and says which rows it changed. */
  apply(patch) {
    const { steps, log, ...small } = patch;
    Object.assign(this, small);
    steps.forEach((row) => this.rows.set(row.id, row));
    if (log.length) this.log = this.log.concat(log).slice(-LOG_LINES);
    return steps.map((row) => row.id);
  }

  /** Takes in everything as it was at another moment, and says which rows are not as they were. */
  rewind(moment) {
    const { steps, log, ...small } = moment;
    Object.assign(this, small);
    const rows = new Map(steps.map((row) => [row.id, row]));
    const changed = steps.filter((row) => JSON.stringify(row) !== JSON.stringify(this.rows.get(row.id))).map((row) => row.id);
    for (const id of this.rows.keys()) if (!rows.has(id)) changed.push(id);
    this.rows = rows;
    this.log = log;
    return changed;
  }

  get ended() {
    return this.head.phase === "ended";
  }

  /** The rows that owe the way back something, in the order in which it is undone. */
  card() {
    if (this.head.past_no_return) return [];
    return [...this.rows.values()].filter((row) => row.card).sort((a, b) => b.place[0] - a.place[0] || b.place[1] - a.place[1]);
  }

  /** The rows with the youngest evidence, the youngest first. */
  evidence(count) {
    const found = [];
    for (const row of this.rows.values()) {
      if (!row.evidence || (found.length === count && found[count - 1].evidence.at >= row.evidence.at)) continue;
      const place = found.findIndex((other) => other.evidence.at < row.evidence.at);
      found.splice(place < 0 ? found.length : place, 0, row);
      found.length = Math.min(found.length, count);
    }
    return found;
  }

  items(group) {
    return [...this.rows.values()].filter((row) => row.group === group);
  }
}
