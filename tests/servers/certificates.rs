//! A certificate authority and a server's certificate, made by openssl for one test.

use std::path::Path;
use std::process::Command;

use super::give;

/// Makes `ca.pem`, `server.pem` and `server.key` in a folder, which `owner` may read. `names` are the server's, such as `DNS:localhost`.
pub fn certificates(folder: &Path, owner: &str, names: &str) {
    let openssl = |argv: &[&str]| {
        let ended = Command::new("openssl").args(argv).current_dir(folder).output().unwrap();
        assert!(ended.status.success(), "openssl {argv:?}: {}", String::from_utf8_lossy(&ended.stderr));
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let authority = ["-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(&[&["req", "-x509"], &key[..], &authority].concat());
    openssl(&[&["req"], &key[..], &["-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"]].concat());
    std::fs::write(folder.join("names"), format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n")).unwrap();
    let signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
    openssl(&[&["x509", "-req", "-in", "server.csr", "-out", "server.pem"], &signed[..]].concat());
    for file in ["ca.pem", "server.pem", "server.key"] {
        give(&folder.join(file), owner);
    }
}
