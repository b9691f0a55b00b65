//! Diagnostics as text for a terminal, with the place underlined.
