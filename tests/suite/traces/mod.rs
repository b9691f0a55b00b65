//! A run as a trace: what the fold makes of records, and what reaches a collector, whatever the collector does.

mod collector;
mod fold;
mod sending;
