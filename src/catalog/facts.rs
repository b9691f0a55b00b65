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
}
