//! TLS to a server and to a pooler: the right authority and name get in, everything else is refused and said in words.

use pointsman::connectors::Inspect as _;
use pointsman::connectors::pgbouncer::Pause;
use pointsman::connectors::postgres::Query;
use pointsman::model::Touch;
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};
use crate::servers::certificates::certificates;
use crate::servers::pgbouncer::{ADMIN, ADMIN_PASSWORD, Pgbouncer, Pool};
use crate::servers::postgres::{Encryption, OWNER, Postgres, SUPERUSER, SUPERUSER_PASSWORD};
use crate::servers::{Folder, missing};

async fn encrypted(url: &str, tls: Value) -> Result<Value, String> {
    let mut bench = Bench::new();
    let mut settings = json!({ "url": url, "password": SUPERUSER_PASSWORD });
    if !tls.is_null() {
        settings["tls"] = tls;
    }
    bench.target("shop", "postgres", settings);
    let params = json!({ "sql": "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()" });
    match attempt(&Query, &bench.call("ask", Some("shop"), params)).await {
        Ok((_, applied, _)) => Ok(applied.outputs["first"].clone()),
        Err(error) => {
            assert_eq!(error.touch, Touch::Untouched, "{error}");
            Err(error.message)
        }
    }
}

#[tokio::test]
async fn a_server_is_believed_under_its_authority_and_name_alone() {
    if missing("postgres", "postgresql-15") || missing("openssl", "openssl") {
        return;
    }
    let server = Postgres::start_with(&[], Encryption::Required).await;
    let (plain, other) = (Postgres::start().await, Folder::of(OWNER));
    certificates(other.path(), OWNER, "DNS:localhost");
    let at = |host: &str, port: u16| format!("postgres://{SUPERUSER}@{host}:{port}/postgres");
    let (right, wrong) = (server.authority().display().to_string(), other.join("ca.pem").display().to_string());
    let found = encrypted(&at("localhost", server.port), json!({ "ca": right })).await.unwrap();
    assert_eq!(found, json!({ "ssl": true, "version": "TLSv1.3" }));
    let by_address = encrypted(&at("127.0.0.1", server.port), json!({ "ca": right, "mode": "verify-ca" })).await;
    assert_eq!(by_address.unwrap()["ssl"], json!(true));
    for (url, tls, why) in [
        (at("localhost", server.port), json!({ "ca": wrong }), "no authority in `tls.ca` has signed"),
        (at("127.0.0.1", server.port), json!({ "ca": wrong, "mode": "verify-ca" }), "no authority in `tls.ca` has signed"),
        (at("127.0.0.1", server.port), json!({ "ca": right }), "is for another name"),
        (at("localhost", plain.port), json!({ "ca": right }), "the server offers no TLS"),
        (at("localhost", server.port), json!({ "ca": "nosuch.pem" }), "nosuch.pem"),
        (at("localhost", server.port), json!({ "ca": right, "cert": right }), "go together"),
        // Without TLS the server itself refuses.
        (at("localhost", server.port), Value::Null, "no encryption"),
        (at("localhost", server.port), json!({ "mode": "off" }), "no encryption"),
    ] {
        let said = encrypted(&url, tls.clone()).await.expect_err(why);
        assert!(said.contains(why), "{tls}: {said}");
    }
}

#[tokio::test]
async fn a_statement_over_tls_is_stopped_in_time() {
    if missing("postgres", "postgresql-15") || missing("openssl", "openssl") {
        return;
    }
    let server = Postgres::start_with(&[], Encryption::Required).await;
    let mut bench = Bench::new();
    let url = format!("postgres://{SUPERUSER}@localhost:{}/postgres", server.port);
    bench.target("shop", "postgres", json!({ "url": url, "password": SUPERUSER_PASSWORD, "tls": { "ca": server.authority() } }));
    let mut call = bench.call("ask", Some("shop"), json!({ "sql": "SELECT pg_sleep(3600)" }));
    // Long enough to connect on a busy machine.
    call.deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    let error = attempt(&Query, &call).await.unwrap_err();
    assert!(error.message.contains("the time for it was up"), "{error}");
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND state = 'active' AND pid <> pg_backend_pid()";
    assert_eq!(server.value(running).await.as_deref(), Some("0"), "the order to stop did not arrive");
}

#[tokio::test]
async fn a_pooler_is_believed_under_its_authority_and_name_alone() {
    if missing("postgres", "postgresql-15") || missing("pgbouncer", "pgbouncer") || missing("openssl", "openssl") {
        return;
    }
    let (server, folder, other) = (Postgres::start().await, Folder::of(OWNER), Folder::of(OWNER));
    certificates(folder.path(), OWNER, "DNS:localhost");
    certificates(other.path(), OWNER, "DNS:localhost");
    let file = |name: &str| folder.join(name).display().to_string();
    let lines = [
        "client_tls_sslmode = prefer".to_owned(),
        format!("client_tls_key_file = {}", file("server.key")),
        format!("client_tls_cert_file = {}", file("server.pem")),
    ];
    let databases = [format!("shop = host=127.0.0.1 port={} dbname=postgres", server.port)];
    let settings: Vec<_> = lines.iter().map(String::as_str).collect();
    let pooler = Pgbouncer::start(Pool { databases: &databases, users: &[], settings: &settings }).await;
    let plain = Pgbouncer::start(Pool { databases: &databases, users: &[], settings: &[] }).await;
    let look = async |host: &str, port: u16, tls: Value| {
        let mut bench = Bench::new();
        let pool = json!({ "addresses": [format!("{host}:{port}")], "user": ADMIN, "password": ADMIN_PASSWORD, "tls": tls });
        bench.target("pool", "pgbouncer", pool);
        let params = json!({ "database": "shop", "within": "5s", "held_at_most": "60s" });
        Pause.inspect(&bench.call("pause", Some("pool"), params)).await.map_err(|error| error.message)
    };
    let (right, wrong) = (file("ca.pem"), other.join("ca.pem").display().to_string());
    assert_eq!(look("localhost", pooler.port, json!({ "ca": right })).await.unwrap().identity["tls"], json!("verify-full"));
    look("127.0.0.1", pooler.port, json!({ "ca": right, "mode": "verify-ca" })).await.unwrap();
    for (host, port, tls, why) in [
        ("localhost", pooler.port, json!({ "ca": wrong }), "no authority in `tls.ca` has signed"),
        ("127.0.0.1", pooler.port, json!({ "ca": right }), "is for another name"),
        ("localhost", plain.port, json!({ "ca": right }), "the server offers no TLS"),
    ] {
        let said = look(host, port, tls.clone()).await.expect_err(why);
        assert!(said.contains(why), "{tls}: {said}");
    }
}
