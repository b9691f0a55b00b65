//! Programs of packages that tests need: left out by name where they are not here, and a failure under `./scripts/test`.

use std::path::Path;

/// Whether the program of a package that a test needs is missing here, said by name. Where `POINTSMAN_TEST_REQUIRE_ALL` is set,
/// as in `./scripts/test`, a missing program fails the test.
pub fn missing(program: &str, package: &str) -> bool {
    let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/usr/lib/postgresql/15/bin"];
    if folders.iter().any(|folder| Path::new(folder).join(program).exists()) {
        return false;
    }
    let required = std::env::var_os("POINTSMAN_TEST_REQUIRE_ALL").is_some();
    assert!(!required, "{program} is missing: install the Debian package {package}");
    eprintln!("left out: {program} is missing (Debian package {package})");
    true
}
