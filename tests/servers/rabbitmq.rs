//! A RabbitMQ broker with management and shovels. It has its own node name, its own port mapper, its own home: nothing is shared
//! with a broker of the system or of another test, and both processes end with the thread that started them.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Daemon, Folder, Start, free_port, give, until};

/// The user that may do everything.
pub const ADMIN: &str = "operator";
pub const ADMIN_PASSWORD: &str = "0perator-s3cret";

const HOME: &str = "/usr/lib/rabbitmq/lib";

pub struct Rabbit {
    pub folder: Folder,
    pub amqp: u16,
    pub http: u16,
    node: String,
    dist: u16,
    epmd_port: u16,
    epmd: Daemon,
    daemon: Daemon,
    client: reqwest::Client,
}

impl Rabbit {
    /// A broker that answers. It takes 5 to 8 s.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// A broker with further lines of configuration.
    pub async fn with(lines: &str) -> Self {
        let folder = Folder::of("rabbitmq");
        let [amqp, http, dist, epmd_port] = [free_port(), free_port(), free_port(), free_port()];
        for name in ["home", "mnesia", "log"] {
            std::fs::create_dir(folder.join(name)).unwrap();
            give(&folder.join(name), "rabbitmq");
        }
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{amqp}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {http}\n\
             loopback_users = none\ndefault_user = {ADMIN}\ndefault_pass = {ADMIN_PASSWORD}\nlog.file.level = info\n{lines}"
        );
        std::fs::write(folder.join("rabbitmq.conf"), settings).unwrap();
        std::fs::write(
            folder.join("plugins"),
            "[rabbitmq_management,rabbitmq_federation,rabbitmq_shovel,rabbitmq_shovel_management].\n",
        )
        .unwrap();
        let node = format!("n{amqp}@localhost");
        let (epmd, daemon) = processes(&folder, &node, dist, epmd_port);
        let mut rabbit = Self { folder, amqp, http, node, dist, epmd_port, epmd, daemon, client: reqwest_client() };
        rabbit.ready().await;
        rabbit
    }

    async fn ready(&mut self) {
        let address = format!("http://127.0.0.1:{}/api/overview", self.http);
        let (client, amqp) = (self.client.clone(), self.amqp);
        self.daemon
            .ready(Duration::from_secs(90), || {
                let (client, address) = (client.clone(), address.clone());
                async move {
                    let answer = client.get(address).basic_auth(ADMIN, Some(ADMIN_PASSWORD)).send().await.ok()?;
                    tokio::net::TcpStream::connect(("127.0.0.1", amqp)).await.ok()?;
                    answer.status().is_success().then_some(())
                }
            })
            .await;
    }

    /// Ends the node as a power cut would.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// The same node again, with what is on its disk.
    pub async fn restart(&mut self) {
        self.daemon.kill();
        self.epmd.kill();
        let (epmd, daemon) = processes(&self.folder, &self.node, self.dist, self.epmd_port);
        (self.epmd, self.daemon) = (epmd, daemon);
        self.ready().await;
    }

    /// Stops and continues the node's process: it hangs, and its connections stay.
    pub fn hang(&self, hangs: bool) {
        self.daemon.signal(if hangs { Signal::SIGSTOP } else { Signal::SIGCONT });
    }

    pub fn pids(&self) -> [i32; 2] {
        [self.daemon.pid(), self.epmd.pid()]
    }

    /// The settings of a target, for the broker's own administrator.
    pub fn target(&self, vhost: &str) -> Value {
        json!({
            "url": format!("http://127.0.0.1:{}", self.http), "amqp": format!("amqp://127.0.0.1:{}", self.amqp),
            "user": ADMIN, "password": ADMIN_PASSWORD, "vhost": vhost, "connect_within": "5s", "identity": {},
        })
    }

    /// A request to the management API as the administrator; the path is encoded already.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let address = format!("http://127.0.0.1:{}/api/{path}", self.http);
        let mut request = self.client.request(method, address).basic_auth(ADMIN, Some(ADMIN_PASSWORD));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.api("GET", path, None).await;
        assert!((200..300).contains(&status), "GET {path}: {status} {answer}");
        answer
    }

    pub async fn put(&self, path: &str, body: Value) {
        let (status, answer) = self.api("PUT", path, Some(body)).await;
        assert!((200..300).contains(&status), "PUT {path}: {status} {answer}");
    }

    pub async fn post(&self, path: &str, body: Value) {
        let (status, answer) = self.api("POST", path, Some(body)).await;
        assert!((200..300).contains(&status), "POST {path}: {status} {answer}");
    }

    pub async fn delete(&self, path: &str) {
        let (status, answer) = self.api("DELETE", path, None).await;
        assert!((200..300).contains(&status) || status == 404, "DELETE {path}: {status} {answer}");
    }

    /// A virtual host in which the administrator may do everything.
    pub async fn vhost(&self, vhost: &str) {
        self.put(&format!("vhosts/{vhost}"), json!({})).await;
        self.permit(ADMIN, vhost, [".*", ".*", ".*"]).await;
    }

    pub async fn user(&self, user: &str, password: &str, tags: &str) {
        self.put(&format!("users/{user}"), json!({ "password": password, "tags": tags })).await;
    }

    /// Sets configure, write and read.
    pub async fn permit(&self, user: &str, vhost: &str, [configure, write, read]: [&str; 3]) {
        let row = json!({ "configure": configure, "write": write, "read": read });
        self.put(&format!("permissions/{vhost}/{user}"), row).await;
    }

    pub async fn queue(&self, vhost: &str, queue: &str, arguments: Value) {
        let body = json!({ "durable": true, "auto_delete": false, "arguments": arguments });
        self.put(&format!("queues/{vhost}/{queue}"), body).await;
    }

    /// Publishes as the administrator, over the management API.
    pub async fn publish(&self, vhost: &str, queue: &str, count: usize) {
        for number in 0..count {
            let body = json!({
                "properties": { "delivery_mode": 2 }, "routing_key": queue, "payload": number.to_string(), "payload_encoding": "string",
            });
            self.post(&format!("exchanges/{vhost}/amq.default/publish"), body).await;
        }
    }

    /// Ready and unacknowledged messages, as the queue itself counts them now. For classic queues.
    pub async fn depth(&self, vhost: &str, queue: &str) -> (u64, u64) {
        let queues = self.get(&format!("queues/{vhost}?disable_stats=true&enable_queue_totals=true")).await;
        let found = queues.as_array().unwrap().iter().find(|row| row["name"] == queue).unwrap().clone();
        (found["messages_ready"].as_u64().unwrap(), found["messages_unacknowledged"].as_u64().unwrap())
    }

    /// The definitions that a freeze could change: permissions, topic permissions, users, queues, exchanges, bindings.
    pub async fn definitions(&self) -> Value {
        let mut found = self.get("definitions").await;
        for volatile in ["rabbit_version", "rabbitmq_version", "product_version"] {
            found.as_object_mut().unwrap().remove(volatile);
        }
        for list in found.as_object_mut().unwrap().values_mut().filter_map(Value::as_array_mut) {
            list.sort_unstable_by_key(ToString::to_string);
        }
        found
    }

    /// The tracked connections of a user.
    pub async fn connections(&self, user: &str) -> usize {
        self.get(&format!("connections/username/{user}")).await.as_array().unwrap().len()
    }

    /// Waits until a user has this many connections.
    pub async fn until_connected(&self, user: &str, count: usize) {
        let what = format!("{user} with {count} connections");
        until(&what, Duration::from_secs(20), || async { (self.connections(user).await == count).then_some(()) }).await;
    }
}

fn reqwest_client() -> reqwest::Client {
    // An error means that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap()
}

/// The port mapper first: a node that finds none starts one that stays behind.
fn processes(folder: &Folder, node: &str, dist: u16, epmd_port: u16) -> (Daemon, Daemon) {
    let path = |name: &str| folder.join(name).display().to_string();
    let mapper = ["epmd", "-port", &epmd_port.to_string(), "-address", "127.0.0.1"].map(str::to_owned).to_vec();
    let epmd = Daemon::start(Start { name: "epmd", user: "rabbitmq", folder: folder.path(), argv: mapper, env: Vec::new() });
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", epmd_port)).is_err() {
        assert!(std::time::Instant::now() < end, "epmd was not ready in ten seconds");
        std::thread::sleep(Duration::from_millis(10));
    }
    let version = std::fs::read_dir(HOME).unwrap().next().unwrap().unwrap().path();
    let env = [
        ("HOME", path("home")),
        ("ERL_EPMD_PORT", epmd_port.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        // The script becomes the node instead of watching over it, so the pid is the node's.
        ("RABBITMQ_ALLOW_INPUT", "1".to_owned()),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
        ("RABBITMQ_NODENAME", node.to_owned()),
        ("RABBITMQ_DIST_PORT", dist.to_string()),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_MNESIA_BASE", path("mnesia")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins")),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-noinput -kernel inet_dist_use_interface {127,0,0,1}".to_owned()),
    ];
    let env = env.map(|(key, value)| (key.to_owned(), value)).to_vec();
    let argv = vec![version.join("sbin/rabbitmq-server").display().to_string()];
    (epmd, Daemon::start(Start { name: "rabbitmq", user: "rabbitmq", folder: folder.path(), argv, env }))
}
