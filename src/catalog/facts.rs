//! What an action makes true or false about the world.

/// An effect on a fact. Words in `{braces}` are filled from the step: `{target}`, or a key of `with`; an effect
/// with a word that the step leaves out is not an effect of that step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FactEffect {
    /// Writes to the target are refused.
    WritesDenied(&'static str),
    /// Writes to the target are accepted.
    WritesAllowed(&'static str),
    /// A queue is empty and nobody feeds it.
    Drained(&'static str),
    /// Two stores hold the same.
    Agree(&'static str, &'static str),
    /// Traffic of the first goes to the second.
    Route(&'static str, &'static str),
    /// A target has applied everything that its source wrote before the freeze.
    CaughtUp(&'static str),
    /// The second has its sequences past those of the first.
    Sequences(&'static str, &'static str),
    /// The second follows the first: what is written there arrives here.
    Follows(&'static str, &'static str),
    /// An entry keeps its clients out, or waiting.
    Held(&'static str),
    /// An entry lets its clients go on.
    Released(&'static str),
    /// An effect only of a step whose parameter (first) has this value (second), as JSON.
    Where(&'static str, &'static str, &'static FactEffect),
}
