//! TLS to a real MariaDB with a certificate: who is believed, who is refused and why, and what was said before.

use std::sync::{Arc, Mutex};

use pointsman::connectors::ActionError;
use pointsman::connectors::mysql::Query;
use pointsman::model::Touch;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::bench::{Bench, attempt};
use crate::servers::mariadb::MariaDb;
use crate::servers::missing;

const PASSWORD: &str = "tls-passw0rd";

/// What a client says to a server, written down on the way.
struct Listener {
    port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
}

/// On one connection.
type Heard = Arc<Mutex<Vec<u8>>>;

impl Listener {
    /// At another address of this machine, for which no certificate is.
    async fn before(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.2", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let written = heard.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let heard = Heard::default();
                written.lock().unwrap().push(heard.clone());
                tokio::spawn(carry(client, server, heard));
            }
        });
        Self { port, heard }
    }

    /// What was said on each connection since the last time: how much in clear, and whether TLS began.
    fn take(&self) -> Vec<(usize, bool)> {
        let connections = std::mem::take(&mut *self.heard.lock().unwrap());
        let one = |heard: &Heard| {
            let heard = heard.lock().unwrap();
            for word in ["pointsman", PASSWORD] {
                assert!(!heard.windows(word.len()).any(|part| part == word.as_bytes()), "`{word}` was said in clear");
            }
            // Every record of a handshake begins with these two bytes.
            let begins = heard.windows(2).position(|part| part == [0x16, 0x03]);
            (begins.unwrap_or(heard.len()), begins.is_some())
        };
        connections.iter().map(one).collect()
    }
}

/// The wish for TLS, 32 bytes and a head of 4, and nothing more in clear.
const WISH: (usize, bool) = (36, true);

async fn carry(client: TcpStream, server: u16, heard: Heard) {
    let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let (mut client_in, mut client_out) = client.into_split();
    let (mut server_in, mut server_out) = server.into_split();
    let asking = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = client_in.read(&mut buffer).await {
            heard.lock().unwrap().extend_from_slice(&buffer[..length]);
            if server_out.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = asking => {}
        _ = tokio::io::copy(&mut server_in, &mut client_out) => {}
    }
}

/// A look over the connection that says how it is protected.
async fn look(address: &str, tls: Value) -> Result<Value, ActionError> {
    let mut bench = Bench::new();
    let url = format!("mysql://pointsman@{address}");
    bench.target("db", "mysql", json!({ "url": url, "password": PASSWORD, "tls": tls, "connect_within": "60s" }));
    let params = json!({ "sql": "SHOW SESSION STATUS LIKE 'Ssl_version'", "rows": 1 });
    let (_, applied, _) = attempt(&Query, &bench.call("look", Some("db"), params)).await?;
    Ok(applied.outputs["first"]["Value"].clone())
}

async fn refused(address: &str, tls: Value, why: &str) {
    let error = look(address, tls.clone()).await.expect_err(&format!("{address} {tls}"));
    assert!(error.message.contains(why), "{tls}: {error}");
    assert_eq!((error.touch, error.in_doubt), (Touch::Untouched, false), "{error}");
    assert!(!error.message.contains(PASSWORD), "{error}");
}

#[tokio::test]
async fn the_right_authority_and_name_pass_and_nobody_else_hears_a_password() {
    if missing("mariadbd", "mariadb-server") || missing("openssl", "openssl") {
        return;
    }
    let (server, other, plain) =
        tokio::join!(MariaDb::start_with_tls(&[]), MariaDb::start_with_tls(&[]), MariaDb::start_with(&["--skip-ssl"]));
    server.run(&format!("CREATE USER pointsman@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL")).await;
    plain.run(&format!("CREATE USER pointsman@'%' IDENTIFIED BY '{PASSWORD}'")).await;
    let (right, wrong) = (server.authority(), other.authority());
    let with = |mode: &str, ca: &std::path::Path| json!({ "mode": mode, "ca": ca });
    // The names of the certificate, by both modes.
    for host in ["localhost", "127.0.0.1"] {
        for mode in ["verify-full", "verify-ca"] {
            let found = look(&format!("{host}:{}", server.port), with(mode, &right)).await.unwrap();
            assert!(found.as_str().unwrap().starts_with("TLSv1."), "{found}");
        }
    }
    // Another name: only where the step says that names do not count, and never under another authority.
    let listener = Listener::before(server.port).await;
    let there = format!("127.0.0.2:{}", listener.port);
    refused(
        &there,
        with("verify-full", &right),
        &format!("at {there}: invalid peer certificate: certificate not valid for name \"127.0.0.2\""),
    )
    .await;
    assert_eq!(listener.take(), [WISH]);
    assert!(look(&there, with("verify-ca", &right)).await.unwrap().as_str().unwrap().starts_with("TLSv1."));
    assert_eq!(listener.take(), [WISH, WISH], "once to see its names, once to be let in");
    for mode in ["verify-full", "verify-ca"] {
        refused(&there, with(mode, &wrong), "invalid peer certificate: BadSignature").await;
        assert_eq!(listener.take(), [WISH]);
        refused(&format!("localhost:{}", server.port), with(mode, &wrong), "invalid peer certificate: BadSignature").await;
    }
    // The authorities of the system, where there are any, do not know it either.
    refused(&there, json!({}), "certificate").await;
    // A server without TLS is told nothing at all.
    let deaf = Listener::before(plain.port).await;
    for mode in ["verify-full", "verify-ca"] {
        refused(&format!("127.0.0.2:{}", deaf.port), with(mode, &right), "does not have this capability").await;
        assert_eq!(deaf.take(), [(0, false)], "something was said to a server without TLS");
    }
    // Without TLS the password is still no text on the wire, and an account that requires TLS is refused.
    assert_eq!(look(&format!("127.0.0.1:{}", plain.port), json!({ "mode": "off" })).await.unwrap(), json!(""));
    refused(&format!("127.0.0.1:{}", server.port), json!({ "mode": "off" }), "Access denied").await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_the_account_asks_for_one() {
    if missing("mariadbd", "mariadb-server") || missing("openssl", "openssl") {
        return;
    }
    let server = MariaDb::start_with_tls(&[]).await;
    server.run(&format!("CREATE USER pointsman@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE X509")).await;
    let address = format!("localhost:{}", server.port);
    let beside = |name: &str| server.authority().with_file_name(name);
    let mut tls = json!({ "ca": server.authority() });
    refused(&address, tls.clone(), "Access denied").await;
    tls["cert"] = json!(beside("server.pem"));
    refused(&address, tls.clone(), "go together").await;
    tls["key"] = json!(beside("server.key"));
    look(&address, tls.clone()).await.unwrap();
    for (key, path, why) in [("ca", "nosuch.pem", "nosuch.pem"), ("ca", "server.key", "certificate"), ("key", "ca.pem", "key")] {
        let mut wrong = tls.clone();
        wrong[key] = json!(beside(path));
        refused(&address, wrong, why).await;
    }
}

/// A server that says in its greeting which way of logging in it wants: the password itself.
async fn greedy() -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let written = heard.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut greeting = vec![10];
            greeting.extend(b"5.5.5-10.11.0-MariaDB\0");
            greeting.extend([7, 0, 0, 0]);
            greeting.extend(b"abcdefgh\0");
            // Protocol 4.1, secure connection, authentication by plugins.
            greeting.extend([0x00, 0x82, 45, 2, 0, 0x08, 0x00, 21]);
            greeting.extend([0; 10]);
            greeting.extend(b"ijklmnopqrst\0mysql_native_password\0");
            let mut switch = vec![0xfe];
            switch.extend(b"mysql_clear_password\0");
            for (number, packet) in [(0_u8, greeting), (2, switch)] {
                let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
                let head = [length[0], length[1], length[2], number];
                if client.write_all(&[&head[..], &packet].concat()).await.is_err() {
                    break;
                }
                let mut buffer = vec![0; 4096];
                let Ok(length @ 1..) = client.read(&mut buffer).await else { break };
                written.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        }
    });
    (port, heard)
}

#[tokio::test]
async fn a_server_that_asks_for_the_password_itself_does_not_get_it() {
    let (port, heard) = greedy().await;
    let error = look(&format!("127.0.0.1:{port}"), json!({ "mode": "off" })).await.unwrap_err();
    let heard = heard.lock().unwrap().clone();
    assert!(heard.windows(9).any(|part| part == b"pointsman"), "the login was not reached: {error}");
    assert!(!heard.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()), "the password was said in clear");
    assert!(error.message.contains("mysql_clear_password"), "{error}");
}
