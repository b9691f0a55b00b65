//! PM03xx names, types and parameters; PM04xx graph and templates; PM05xx safety.

super::codes! {}
