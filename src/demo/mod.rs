//! The live shop that the demo moves: its own processes on SQLite, and the checks of how it ended.
