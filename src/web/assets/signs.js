// A sign for every status, so that nothing is said by colour alone.

const SIGNS = {
  pending: "○",
  ready: "◔",
  running: "▶",
  awaiting_people: "?",
  awaiting_time: "◷",
  backing_off: "↻",
  in_doubt: "⁇",
  held: "‖",
  awaiting_confirmation: "?",
  succeeded: "✓",
  failed: "✗",
  rejected: "✗",
  skipped: "»",
  not_reached: "–",
  awaiting_undo: "↶",
  undoing: "↶",
  undone: "↩",
  undo_in_doubt: "⁇",
  undo_failed: "✗",
  new: "○",
  forward: "▶",
  rolling_back: "↶",
  rolled_back: "↩",
  aborting: "■",
  aborted: "■",
  finally: "▶",
  ended: "✓",
  needs_attention: "!",
};

export const signOf = (status) => SIGNS[status] ?? "·";

/** The tones of the ways in which a run goes and ends. */
export const PHASE_TONES = {
  new: "faint",
  forward: "active",
  rolling_back: "bad",
  aborting: "bad",
  finally: "active",
  succeeded: "good",
  rolled_back: "wait",
  needs_attention: "bad",
  aborted: "bad",
};
