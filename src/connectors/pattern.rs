//! How a step names things of a system: by their names, or by patterns such as `order*`.
//!
//! A thing may be called `a*b` or `a[1]`, so a name always means itself too.

use globset::{GlobBuilder, GlobMatcher};

use super::ActionError;

/// A name or a pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    glob: GlobMatcher,
}

impl Pattern {
    /// Reads it; capitals count.
    pub(super) fn new(text: &str) -> Result<Self, ActionError> {
        Self::built(text, &mut GlobBuilder::new(text))
    }

    /// The same where the system takes capitals and small letters for the same name.
    #[cfg(feature = "sqlite")]
    pub(super) fn of_any_case(text: &str) -> Result<Self, ActionError> {
        Self::built(text, GlobBuilder::new(text).case_insensitive(true))
    }

    fn built(text: &str, builder: &mut GlobBuilder<'_>) -> Result<Self, ActionError> {
        let glob = builder.build().map_err(|error| ActionError::untouched(format!("`{text}` is no pattern: {error}")))?;
        Ok(Self { text: text.to_owned(), glob: glob.compile_matcher() })
    }

    /// Whether it means the thing that is called `name`.
    pub(super) fn means(&self, name: &str) -> bool {
        self.text == name || self.glob.is_match(name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::Pattern;

    fn means(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).unwrap().means(name)
    }

    #[test]
    fn a_star_means_any_text_and_everything_else_itself() {
        assert!(means("order*", "orders") && means("order*", "order") && !means("order*", "Orders"));
        assert!(means("shop.*", "shop.orders") && !means("shop.*", "shop2.orders"));
        assert!(means("*", "a name with / and . in it"));
        assert!(means("order_?", "order_1") && !means("order_?", "order_10"));
        assert!(means("{orders,items}", "items") && !means("{orders,items}", "customers"));
    }

    #[test]
    fn a_name_that_looks_like_a_pattern_means_itself() {
        assert!(means("a*b", "a*b") && means("a[1]", "a[1]") && means("a[1]", "a1"));
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        let error = Pattern::new("order[").unwrap_err();
        assert!(error.message.starts_with("`order[` is no pattern: "), "{error}");
    }

    #[test]
    #[cfg(feature = "sqlite")]
    fn capitals_do_not_count_where_the_system_says_so() {
        assert!(Pattern::of_any_case("Order*").unwrap().means("ORDERS"));
    }
}
