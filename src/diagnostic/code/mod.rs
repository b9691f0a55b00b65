//! The diagnostic codes. Each has a page in `docs/errors/`; a code is never used again for another meaning.
//!
//! To add one: put a line `NUMBER NAME "title";` into the file of its room, at the next free number, then write
//! `docs/errors/PMnnnn.md` and a wrong runbook in `tests/wrong/`; a test misses either. The hundreds say what kind it is:
//!
//! | numbers | kind | file |
//! |---|---|---|
//! | PM01xx | the text is not the YAML that we read | `yaml.rs` |
//! | PM02xx | the shape of the document: keys, kinds of values, formats | `document.rs` |
//! | PM03xx | names, types and parameters | `plan.rs` |
//! | PM04xx | graph and templates | `plan.rs` |
//! | PM05xx | safety: undo, in doubt, interlocks | `plan.rs` |

use std::fmt;

pub mod document;
pub mod plan;
pub mod yaml;

/// `PM0101` and so on: the number of one kind of problem.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

impl Code {
    /// The code with this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Every code with its one-line title, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = (Self, &'static str)> {
        [yaml::ALL, document::ALL, plan::ALL].into_iter().flatten().copied()
    }

    /// Whether it is one of PM01xx: the text is not the YAML that we read.
    pub const fn is_yaml(self) -> bool {
        self.0 < 200
    }

    /// What kind of problem it is, in one line.
    pub fn title(self) -> &'static str {
        Self::all().find(|(code, _)| *code == self).map_or("", |(_, title)| title)
    }

    /// The page that explains it, as a path from the top of the repository.
    pub fn page(self) -> String {
        format!("docs/errors/{self}.md")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PM{:04}", self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Declares the codes of one file and the list of them.
macro_rules! codes {
    ($($number:literal $name:ident $title:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: $crate::diagnostic::Code = $crate::diagnostic::Code::new($number);
        )*
        /// The codes of this file with their titles.
        pub(super) const ALL: &[($crate::diagnostic::Code, &str)] = &[$(($name, $title)),*];
    };
}
use codes;

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn numbers_rise_and_titles_are_there() {
        let all: Vec<_> = Code::all().collect();
        assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "the codes are not in the order of their numbers");
        for (code, title) in all {
            assert!(!title.is_empty() && !title.ends_with('.') && title.len() <= 80, "{code}: {title}");
            assert_eq!(code.title(), title);
        }
    }
}
