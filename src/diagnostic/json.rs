//! Diagnostics as JSON for programs.
