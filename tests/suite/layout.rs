//! The top level is what the README says it is.

#[test]
fn the_top_level_has_the_promised_folders() {
    for name in ["Cargo.toml", "src", "tests"] {
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists(), "{name} is missing");
    }
}
