//! A Glewlwyd: a real identity provider (OpenID Connect) with a folder, a database and a key of its own, set up through its own
//! administration API.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Daemon, Folder, Start, free_port, give};

/// The client that the console is there, and what it proves itself with.
pub const CLIENT: &str = "pointsman";
pub const SECRET: &str = "the-client-s3cret";

/// The person who has an account there.
pub const USER: &str = "amiller";
pub const PASSWORD: &str = "a-pa55word-of-hers";

/// The account of the system that it runs as: the package's own has no group of its name.
const ACCOUNT: &str = "daemon";

pub struct Glewlwyd {
    /// As it calls itself.
    pub issuer: String,
    port: u16,
    client: reqwest::Client,
    _folder: Folder,
    _daemon: Daemon,
}

impl Glewlwyd {
    /// A provider that answers, for a console that browsers are sent back to at `callback`.
    pub async fn start(callback: &str) -> Self {
        let folder = Folder::of(ACCOUNT);
        let port = free_port();
        let database = folder.join("glewlwyd.db");
        let tables = std::fs::read_to_string("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3").unwrap();
        rusqlite::Connection::open(&database).unwrap().execute_batch(&tables).unwrap();
        give(&database, ACCOUNT);
        let settings = format!(
            "port={port}\nbind_address=\"127.0.0.1\"\nexternal_url=\"http://127.0.0.1:{port}\"\nlogin_url=\"login.html\"\napi_prefix=\"api\"\n\
             static_files_path=\"/usr/share/glewlwyd/webapp/\"\nlog_mode=\"console\"\nlog_level=\"INFO\"\ncookie_secure=0\n\
             session_expiration=2419200\nsession_key=\"GLEWLWYD2_SESSION_ID\"\nadmin_scope=\"g_admin\"\nprofile_scope=\"g_profile\"\n\
             user_module_path=\"/usr/lib/glewlwyd/user\"\nclient_module_path=\"/usr/lib/glewlwyd/client\"\n\
             user_auth_scheme_module_path=\"/usr/lib/glewlwyd/scheme\"\nplugin_module_path=\"/usr/lib/glewlwyd/plugin\"\n\
             hash_algorithm=\"SHA512\"\ndatabase={{ type=\"sqlite3\"; path=\"{}\"; }};\n\
             static_files_mime_types=( {{ extension=\".html\"; mime_type=\"text/html\"; compress=0; }} );\n",
            database.display()
        );
        std::fs::write(folder.join("glewlwyd.conf"), settings).unwrap();
        give(&folder.join("glewlwyd.conf"), ACCOUNT);
        let argv = vec!["/usr/bin/glewlwyd".to_owned(), format!("--config-file={}", folder.join("glewlwyd.conf").display())];
        let mut daemon = Daemon::start(Start { name: "glewlwyd", user: ACCOUNT, folder: folder.path(), argv, env: Vec::new() });
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let probe = (client.clone(), format!("http://127.0.0.1:{port}/login.html"));
        daemon
            .ready(Duration::from_secs(60), || {
                let (client, page) = probe.clone();
                async move { client.get(page).send().await.ok()?.status().is_success().then_some(()) }
            })
            .await;
        let issuer = format!("http://127.0.0.1:{port}/api/oidc");
        let provider = Self { issuer, port, client, _folder: folder, _daemon: daemon };
        provider.set_up(callback).await;
        provider
    }

    async fn set_up(&self, callback: &str) {
        let admin = self.sign_in("admin", "password").await;
        let (private, public) = self.keys();
        let plugin = json!({
            "iss": self.issuer, "jwt-type": "rsa", "jwt-key-size": "256", "key": private, "cert": public, "jwks-show": true,
            "access-token-duration": 3600, "refresh-token-duration": 1_209_600, "code-duration": 600, "refresh-token-rolling": false,
            "auth-type-code-enabled": true, "auth-type-token-enabled": false, "auth-type-id-token-enabled": true,
            "auth-type-password-enabled": false, "auth-type-client-enabled": false, "auth-type-device-enabled": false,
            "auth-type-refresh-enabled": false, "pkce-allowed": true, "pkce-method-plain-allowed": false, "pkce-required": true,
            "subject-type": "public", "session-management-allowed": true, "session-cookie-name": "GLEWLWYD2_OIDC_SESSION_ID",
            "session-cookie-expiration": 86400, "allowed-scope": ["openid"], "restrict-scope-client-property": "",
            "client-pubkey-parameter": "pubkey", "email-claim": "mandatory", "name-claim": "on-demand", "scope-claim": "no", "scope": [],
            "additional-parameters": [], "oauth-rar-allowed": false,
            "claims": [{ "name": "login", "user-property": "username", "type": "string", "mandatory": true }],
        });
        let module = json!({ "module": "oidc", "name": "oidc", "display_name": "OpenID Connect", "parameters": plugin });
        self.call("POST", "mod/plugin/", &admin, module).await;
        let client = json!({
            "client_id": CLIENT, "name": "Pointsman", "confidential": true, "password": SECRET, "enabled": true, "scope": [],
            "redirect_uri": [callback], "authorization_type": ["code"], "token_endpoint_auth_method": ["client_secret_basic"],
        });
        self.call("POST", "client/", &admin, client).await;
        let user =
            json!({ "username": USER, "name": "Alice Miller", "password": PASSWORD, "enabled": true, "scope": ["openid"] });
        self.call("POST", "user/", &admin, user).await;
        // She has said before that the console may know who she is.
        let own = self.sign_in(USER, PASSWORD).await;
        self.call("PUT", &format!("auth/grant/{CLIENT}"), &own, json!({ "scope": "openid" })).await;
    }

    /// The cookie of somebody who gave a password there.
    async fn sign_in(&self, user: &str, password: &str) -> String {
        let answer = self.call("POST", "auth/", "", json!({ "username": user, "password": password })).await;
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    async fn call(&self, method: &str, path: &str, cookie: &str, body: Value) -> reqwest::Response {
        let address = format!("http://127.0.0.1:{}/api/{path}", self.port);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = self.client.request(method, address).header("cookie", cookie).json(&body).send().await.unwrap();
        let status = answer.status();
        if !status.is_success() {
            panic!("{path}: {status} {}", answer.text().await.unwrap_or_default());
        }
        answer
    }

    /// An RSA key pair in PEM.
    fn keys(&self) -> (String, String) {
        let openssl = |argv: &[&str]| {
            let ended = Command::new("openssl").args(argv).current_dir(self._folder.path()).output().unwrap();
            assert!(ended.status.success(), "openssl {argv:?}: {}", String::from_utf8_lossy(&ended.stderr));
        };
        openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "key.pem"]);
        openssl(&["rsa", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
        let read = |name: &str| std::fs::read_to_string(self._folder.join(name)).unwrap();
        (read("key.pem"), read("public.pem"))
    }
}
