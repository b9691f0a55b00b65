//! nginx with a master, workers, and one included file that a test may replace.

use std::path::PathBuf;
use std::time::Duration;

use super::{Daemon, Folder, Start, free_port, give};
use crate::servers::web::get;

/// A running nginx.
pub struct Nginx {
    pub daemon: Daemon,
    folder: Folder,
    /// Where it listens.
    pub port: u16,
}

impl Nginx {
    /// Starts one whose `http` section is `http`; `{front}` in it becomes the port, and `{include}` the line that includes the
    /// file, which holds `route` first.
    pub async fn start(http: &str, route: &str) -> Self {
        let (folder, port) = (Folder::of("www-data"), free_port());
        let place = folder.path().display().to_string();
        let temps: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("  {name}_temp_path {place}/{name};\n"))
            .collect();
        let text = format!(
            "daemon off;\nworker_processes 1;\npid {place}/nginx.pid;\nerror_log {place}/error.log;\n\
             events {{ worker_connections 128; }}\nhttp {{\n  access_log off;\n{temps}{}\n}}\n",
            http.replace("{front}", &port.to_string()).replace("{include}", &format!("include {place}/route.conf;"))
        );
        for (name, text) in [("nginx.conf", text.as_str()), ("route.conf", route)] {
            std::fs::write(folder.join(name), text).unwrap();
            give(&folder.join(name), "www-data");
        }
        let config = folder.join("nginx.conf").display().to_string();
        let errors = folder.join("error.log").display().to_string();
        let argv = ["nginx", "-c", &config, "-e", &errors].map(str::to_owned).to_vec();
        let mut daemon = Daemon::start(Start { name: "nginx", user: "www-data", folder: folder.path(), argv, env: Vec::new() });
        daemon.ready(Duration::from_secs(10), || async move { get(port, "/", "").await }).await;
        Self { daemon, folder, port }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The included file.
    pub fn route(&self) -> String {
        std::fs::read_to_string(self.file("route.conf")).unwrap()
    }

    /// What is in the folder beside the files of nginx itself: what a switch keeps there.
    pub fn kept(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains("pointsman")).collect()
    }
}
