//! YAML text → `Runbook`, with the place of every value; the JSON Schema.
