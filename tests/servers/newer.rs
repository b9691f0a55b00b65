//! Servers of newer releases of Debian, which `scripts/servers` unpacks beside this machine's own.

use std::path::PathBuf;

/// The folder with the programs of a release of Debian.
pub fn folder(release: &str) -> PathBuf {
    homes().into_iter().map(|home| home.join(release)).find(|folder| folder.is_dir()).unwrap()
}

fn homes() -> Vec<PathBuf> {
    let chosen = std::env::var_os("POINTSMAN_SERVERS").map(PathBuf::from);
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/servers");
    chosen.into_iter().chain([PathBuf::from("/var/cache/pointsman-servers"), own]).collect()
}

/// Whether the servers of a release were not brought, said by name. Where `POINTSMAN_TEST_REQUIRE_ALL` is set, that fails the test.
pub fn not_brought(release: &str, server: &str) -> bool {
    if homes().iter().any(|home| home.join(format!("{release}.done")).exists()) {
        return false;
    }
    let required = std::env::var_os("POINTSMAN_TEST_REQUIRE_ALL").is_some();
    assert!(!required, "{server} is missing: `scripts/servers` brings it");
    eprintln!("left out: {server} is missing (`scripts/servers` brings it)");
    true
}
