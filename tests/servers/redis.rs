//! Redis servers with an ACL file, alone or as replicas of one another, on free ports.

use std::path::PathBuf;
use std::time::Duration;

use redis::{Cmd, Value};

use super::{Daemon, Folder, Start, free_port, until};

/// The password of the user `ops`, who may do everything.
pub const PASSWORD: &str = "ops-pa55word";

/// A running Redis.
pub struct Redis {
    pub port: u16,
    folder: Folder,
    daemon: Daemon,
    argv: Vec<String>,
}

impl Redis {
    /// A server whose users are `ops`, and the default user switched off.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A server with further settings, such as `["--replicaof", "127.0.0.1 6379"]`.
    pub async fn with(settings: &[&str]) -> Self {
        let folder = Folder::of("redis");
        let users = format!("user default off resetpass -@all\nuser ops on >{PASSWORD} ~* &* +@all\n");
        std::fs::write(folder.join("users.acl"), users).unwrap();
        super::give(&folder.join("users.acl"), "redis");
        let file = folder.join("users.acl").display().to_string();
        Self::started(folder, &[&["--aclfile", file.as_str()], settings].concat()).await
    }

    /// A server without an ACL file.
    pub async fn without_file() -> Self {
        let folder = Folder::of("redis");
        Self::started(folder, &["--user", "ops", "on", &format!(">{PASSWORD}"), "~*", "&*", "+@all"]).await
    }

    /// A replica of `self`, whose link is up.
    pub async fn replica(&self) -> Self {
        let master = format!("127.0.0.1 {}", self.port);
        let replica = Self::with(&["--replicaof", &master, "--masteruser", "ops", "--masterauth", PASSWORD]).await;
        replica.linked().await;
        replica
    }

    async fn started(folder: Folder, settings: &[&str]) -> Self {
        let port = free_port();
        let (number, path) = (port.to_string(), folder.path().display().to_string());
        let mut argv = vec!["redis-server", "--bind", "127.0.0.1", "--port", &number, "--dir", &path, "--save", ""];
        argv.extend(["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", "--appendonly", "no"]);
        argv.extend(["--enable-debug-command", "yes"]);
        argv.extend(settings);
        let argv: Vec<String> = argv.into_iter().map(str::to_owned).collect();
        let daemon = spawn(&folder, &argv);
        let mut server = Self { port, folder, daemon, argv };
        server.ready().await;
        server
    }

    async fn ready(&mut self) {
        let port = self.port;
        let probe = move || async move {
            let answer = ask(port, Some(("ops", PASSWORD)), &["PING"]).await;
            answer.is_ok().then_some(())
        };
        self.daemon.ready(Duration::from_secs(10), probe).await;
    }

    /// Waits until the link to its master is up.
    pub async fn linked(&self) {
        until("the replica's link", Duration::from_secs(15), || async {
            self.info("replication").await.contains("master_link_status:up").then_some(())
        })
        .await;
    }

    /// Runs a command as `ops`.
    pub async fn ops(&self, words: &[&str]) -> Value {
        let sent = ask(self.port, Some(("ops", PASSWORD)), words).await;
        sent.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Runs a command as a user in a session of its own.
    pub async fn send(&self, user: &str, password: &str, words: &[&str]) -> Result<Value, String> {
        ask(self.port, Some((user, password)), words).await
    }

    pub async fn info(&self, section: &str) -> String {
        redis::from_redis_value(self.ops(&["INFO", section]).await).unwrap()
    }

    /// Every line of ACL LIST, with hashes; rules of single commands in alphabetical order, because the server writes them in that of
    /// a hash table, which is another one after every change.
    pub async fn users(&self) -> Vec<String> {
        let lines: Vec<String> = redis::from_redis_value(self.ops(&["ACL", "LIST"]).await).unwrap();
        lines.iter().map(|line| ordered(line)).collect()
    }

    /// What its ACL file holds, ordered as [`Redis::users`].
    pub fn file(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("users.acl")).unwrap();
        text.lines().map(ordered).collect::<Vec<_>>().join("\n")
    }

    pub fn pid(&self) -> i32 {
        self.daemon.pid()
    }

    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        self.daemon.signal(signal);
    }

    /// Starts it again after a kill, with the same folder and port.
    pub async fn restart(&mut self) {
        self.daemon.kill();
        self.daemon = spawn(&self.folder, &self.argv);
        self.ready().await;
    }

    /// A session of a user that stays open.
    pub async fn session(&self, user: &str, password: &str) -> redis::aio::MultiplexedConnection {
        connection(self.port, Some((user, password))).await.unwrap()
    }
}

/// A line with every run of rules about single commands sorted; everything else stays where it is.
fn ordered(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    let single = |word: &&str| word.starts_with(['+', '-']) && !word[1..].starts_with('@');
    // The last rule of a selector carries its parenthesis.
    let spaced = line.replace(')', " )");
    if spaced != line {
        words = spaced.split(' ').collect();
    }
    for run in words.chunk_by_mut(|one, other| single(one) && single(other)) {
        run.sort_unstable();
    }
    words.join(" ").replace(" )", ")")
}

fn spawn(folder: &Folder, argv: &[String]) -> Daemon {
    Daemon::start(Start { name: "redis", user: "redis", folder: folder.path(), argv: argv.to_vec(), env: Vec::new() })
}

async fn connection(port: u16, user: Option<(&str, &str)>) -> Result<redis::aio::MultiplexedConnection, String> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let opened = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = opened.map_err(|error| error.to_string())?;
    if let Some((user, password)) = user {
        say(&mut connection, &["AUTH", user, password]).await?;
    }
    Ok(connection)
}

async fn ask(port: u16, user: Option<(&str, &str)>, words: &[&str]) -> Result<Value, String> {
    say(&mut connection(port, user).await?, words).await
}

/// Sends a command in an open session.
pub async fn say(connection: &mut redis::aio::MultiplexedConnection, words: &[&str]) -> Result<Value, String> {
    let mut command = Cmd::new();
    for word in words {
        command.arg(*word);
    }
    match connection.send_packed_command(&command).await {
        Ok(Value::ServerError(error)) => Err(format!("{} {}", error.code(), error.details().unwrap_or_default())),
        answer => answer.map_err(|error| error.to_string()),
    }
}

/// Whether writes wait at a node: `paused` when the server lists a command that may write as blocked, `open` when it answered.
pub async fn pulse(node: &Redis) -> &'static str {
    let mut asking = node.session("ops", PASSWORD).await;
    let id: i64 = redis::from_redis_value(say(&mut asking, &["CLIENT", "ID"]).await.unwrap()).unwrap();
    let asked = tokio::spawn(async move { say(&mut asking, &["PUBLISH", "pulse", "?"]).await });
    let found = until("the pulse", Duration::from_secs(60), || async {
        if asked.is_finished() {
            return Some("open");
        }
        let list: String = redis::from_redis_value(node.ops(&["CLIENT", "LIST", "ID", &id.to_string()]).await).unwrap();
        (list.contains("flags=b") && list.contains("cmd=publish")).then_some("paused")
    });
    let found = found.await;
    asked.abort();
    found
}

/// A certificate authority and a server certificate for `localhost`, in a folder that the redis user reads.
pub fn certificates() -> (Folder, Vec<String>, PathBuf) {
    let folder = Folder::of("redis");
    super::certificates::certificates(folder.path(), "redis", "DNS:localhost");
    let path = |name: &str| folder.join(name).display().to_string();
    let settings = [
        "--tls-port",
        "0",
        "--tls-cert-file",
        &path("server.pem"),
        "--tls-key-file",
        &path("server.key"),
        "--tls-ca-cert-file",
        &path("ca.pem"),
        "--tls-auth-clients",
        "no",
    ];
    let settings = settings.into_iter().map(str::to_owned).collect();
    let authority = folder.join("ca.pem");
    (folder, settings, authority)
}
