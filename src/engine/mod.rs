//! The only imperative room: drives a run with journal, connectors and clock.
