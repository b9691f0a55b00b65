//! Interlocks: rules that hold over every interleaving. The first of them are checked when a plan is made.
