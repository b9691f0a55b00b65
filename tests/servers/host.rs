//! A whole host: systemd, cron and sshd over a throw-away copy of this machine's root, with a network of its own. It needs root
//! and the package systemd-container; everything of it is gone when its process ends, because its mounts are in a namespace.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use super::sshd::make_key;
use super::{Daemon, Folder, Start, missing};

/// A booted host.
pub struct Host {
    folder: Folder,
    /// Tells the networks of several hosts apart.
    number: u32,
    daemon: Daemon,
}

/// The account without privileges that logs in there, and the commands that it may run as root.
pub const ACCOUNT: &str = "ops";

const BOOT: &str = r#"set -e
F=$1 NAME=$2
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
mkdir -p "$F/copy"; mount -t tmpfs tmpfs "$F/copy"; cd "$F/copy"; mkdir up work root
cp -a "$F/files/." up/; chown -R 4242:4242 up/home/ops
mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=work root
# A control group of its own: two hosts in one would see each other's units.
for c in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  [ ! -w $c/cgroup.procs ] || { mkdir -p $c/$NAME; echo 0 > $c/$NAME/cgroup.procs; }
done
# The shell stays as the first process of its process namespace: everything in it ends with it.
systemd-nspawn --boot --quiet --keep-unit --register=no -M "$NAME" -D root --network-veth --console=pipe -- --unit=test.target
"#;

const SSHD: &str = "Port 22\nHostKey /etc/ssh/host\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n\
                    PasswordAuthentication no\nAuthorizedKeysFile /etc/ssh/authorized\n";

/// Whether a whole host cannot be started here, said by name.
pub fn no_host() -> bool {
    if missing("systemd-nspawn", "systemd-container") || missing("sshd", "openssh-server") || missing("cron", "cron") {
        return true;
    }
    if missing("nft", "nftables") || missing("conntrack", "conntrack") || missing("sudo", "sudo") {
        return true;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("left out: a whole host needs root");
        return true;
    }
    false
}

impl Drop for Host {
    fn drop(&mut self) {
        self.daemon.kill();
        for group in ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"] {
            let group = format!("{group}/pm{}", self.number);
            if Path::new(&group).exists() {
                let _ = run("find", &[&group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"]);
            }
        }
    }
}

impl Host {
    /// Boots a host with these units and files, and waits until one can log in.
    pub async fn boot(files: &[(&str, &str)], wants: &str) -> Self {
        let folder = Folder::of("root");
        let number = std::process::id() % 250 + 1;
        let files_at = |name: &str| folder.join("files").join(name);
        for name in ["host", "login"] {
            make_key(&folder.join(name), "ed25519", "");
        }
        let own = [
            ("etc/machine-id", String::new()),
            ("etc/hostname", "testhost\n".to_owned()),
            // sudo asks for the address of its own host; without this line each answer takes seconds.
            ("etc/hosts", "127.0.0.1 localhost testhost\n::1 localhost testhost\n".to_owned()),
            ("etc/ssh/sshd_config", SSHD.to_owned()),
            ("etc/ssh/authorized", read(&folder.join("login.pub"))),
            ("etc/ssh/host", read(&folder.join("host"))),
            ("etc/passwd", read(Path::new("/etc/passwd")) + "ops:x:4242:4242::/home/ops:/bin/sh\n"),
            ("etc/group", read(Path::new("/etc/group")) + "ops:x:4242:\n"),
            ("etc/shadow", read(Path::new("/etc/shadow")) + "ops:*:19000:0:99999:7:::\n"),
            ("home/ops/.keep", String::new()),
            ("etc/systemd/system/net.service", net(number)),
            (
                "etc/systemd/system/test.target",
                format!("[Unit]\nRequires=basic.target\nWants=dbus.service net.service ssh.service cron.service {wants}\n"),
            ),
        ];
        let given = files.iter().map(|(name, text)| (*name, (*text).to_owned()));
        for (name, text) in own.into_iter().chain(given) {
            let path = files_at(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            let mode = if name.contains("shadow") || name.contains("ssh/host") { 0o600 } else { 0o644 };
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        for unit in ["apt-daily.timer", "apt-daily-upgrade.timer", "man-db.timer", "e2scrub_all.timer", "fstrim.timer"] {
            symlink("/dev/null", files_at(&format!("etc/systemd/system/{unit}"))).unwrap();
        }
        std::fs::write(folder.join("boot"), BOOT).unwrap();
        let name = format!("pm{number}");
        let argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"].map(str::to_owned).into_iter();
        let argv =
            argv.chain([folder.join("boot"), folder.path().to_owned()].map(|p| p.display().to_string())).chain([name.clone()]);
        let start = Start { name: "host", user: "root", folder: folder.path(), argv: argv.collect(), env: Vec::new() };
        let daemon = Daemon::start(start);
        let mut host = Self { folder, number, daemon };
        host.reach(&format!("ve-{name}")).await;
        host
    }

    async fn reach(&mut self, link: &str) {
        let (four, six) = (format!("{}/24", self.near()), format!("{}/64", self.near6()));
        let address = self.address();
        self.daemon
            .ready(Duration::from_secs(60), || {
                let (address, four, six) = (address.clone(), four.clone(), six.clone());
                async move {
                    run("ip", &["link", "set", link, "up"]).status.success().then_some(())?;
                    run("ip", &["addr", "replace", &four, "dev", link]);
                    run("ip", &["-6", "addr", "replace", &six, "dev", link, "nodad"]);
                    let connect = tokio::net::TcpStream::connect((address, 22));
                    tokio::time::timeout(Duration::from_millis(300), connect).await.ok()?.ok()
                }
            })
            .await;
    }

    /// The host's address, and the one on this side.
    pub fn address(&self) -> String {
        format!("10.98.{}.2", self.number)
    }

    pub fn near(&self) -> String {
        format!("10.98.{}.1", self.number)
    }

    pub fn address6(&self) -> String {
        format!("fd98:{}::2", self.number)
    }

    pub fn near6(&self) -> String {
        format!("fd98:{}::1", self.number)
    }

    /// The settings of a target.
    pub fn settings(&self, user: &str, sudo: bool) -> Value {
        json!({
            "host": self.address(), "user": user, "key": self.folder.join("login").display().to_string(),
            "host_key": read(&self.folder.join("host.pub")), "sudo": sudo, "connect_within": "15s",
        })
    }

    /// Runs a line as root at the host, past Pointsman; the output without its last line break.
    pub fn sh(&self, line: &str) -> String {
        let options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-i"];
        let key = self.folder.join("login").display().to_string();
        let output =
            Command::new("ssh").args(options).arg(key).arg(format!("root@{}", self.address())).arg(line).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }
}

fn net(number: u32) -> String {
    format!(
        "[Unit]\nBefore=ssh.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'ip link set lo up; \
         ip link set host0 up; ip addr replace 10.98.{number}.2/24 dev host0; \
         ip -6 addr replace fd98:{number}::2/64 dev host0 nodad'\n"
    )
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap()
}
