//! A simulated world: seeded faults, virtual time, crashes, humans.
