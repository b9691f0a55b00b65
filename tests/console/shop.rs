//! The quickstart's shop, and a console beside it: what `pointsman demo` makes, with a browser in place of the terminal.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pointsman::demo::crew::Crew;
use pointsman::demo::shop::create;
use pointsman::demo::{Folder, Side};
use pointsman::engine::identity::login;

/// A shop that sells, with its runbook, and a console that can start it.
pub struct Shop {
    pub folder: Folder,
    pub crew: Crew,
    pub console: Console,
    _kept: tempfile::TempDir,
}

/// A console that serves.
pub struct Console {
    child: Child,
    /// Where it prints that it was started; the link signs in once.
    pub link: String,
    /// What it served under, without the ticket.
    pub address: String,
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_pointsman"))
}

impl Shop {
    pub fn open() -> Self {
        let kept = tempfile::tempdir().unwrap();
        let folder = Folder::new(kept.path());
        create(&folder).unwrap();
        let quickstart = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/quickstart");
        fs::copy(quickstart.join("runbook.yaml"), kept.path().join("runbook.yaml")).unwrap();
        let people = fs::read_to_string(quickstart.join("people.yaml")).unwrap();
        let own = format!("local_users: [{}]", login(nix::unistd::geteuid().as_raw()));
        fs::write(kept.path().join("people.yaml"), people.replace("local_users: [root]", &own)).unwrap();
        let mut crew = Crew::start(program(), folder.clone()).unwrap();
        crew.more_orders(Side::Old, 20).unwrap();
        let console = Console::start(kept.path(), &kept.path().join("home"), &[]);
        Self { folder, crew, console, _kept: kept }
    }

    /// Where the shop shows its pages.
    pub fn front(&self) -> String {
        self.folder.front_url().unwrap().unwrap()
    }
}

impl Console {
    /// Serves the runs of `home`; runbooks of `runbooks` can be started.
    pub fn start(runbooks: &Path, home: &Path, options: &[&str]) -> Self {
        Self::at(0, runbooks, home, options)
    }

    /// The same on a port that is known before.
    pub fn at(port: u16, runbooks: &Path, home: &Path, options: &[&str]) -> Self {
        let mut child = Command::new(program())
            .arg("--home")
            .arg(home)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--runbooks"])
            .arg(runbooks)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut link = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut link).unwrap();
        let link = link.trim().to_owned();
        let address = link.split('#').next().unwrap().to_owned();
        assert!(address.starts_with("http://"), "the console says where it is: {link:?}");
        Self { child, link, address }
    }

    /// Ends it as a person would.
    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether the browser is missing here; with `POINTSMAN_TEST_REQUIRE_ALL` that fails.
pub fn has_no_browser() -> bool {
    crate::servers::missing("chromium", "chromium") || crate::servers::missing("chromedriver", "chromium-driver")
}
