//! Proof over a journal: what verifies, what was changed, and where.
