//! What every command needs: where runs live, how commands are typed here, which run is meant.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use super::console::Colour;
use crate::engine::{Home, history};
use crate::model::{RunId, Timestamp};
use crate::plan::History;
use crate::views::Invocation;

/// Options that every command takes.
#[derive(Args, Debug)]
pub struct Global {
    /// Where runs live [default: $POINTSMAN_HOME, else ~/.local/state/pointsman]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Everywhere")]
    pub home: Option<PathBuf>,
    /// Colours: auto, always or never [default: auto; NO_COLOR is heeded]
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = "Everywhere"
    )]
    pub color: Colour,
}

/// Where a command works from.
#[derive(Clone, Debug)]
pub struct Desk {
    home: Option<PathBuf>,
}

impl Desk {
    /// The desk that these options describe.
    pub fn new(global: &Global) -> Self {
        Self { home: global.home.clone() }
    }

    /// Where runs live.
    ///
    /// # Errors
    /// When nothing says where.
    pub fn home(&self) -> Result<Home> {
        Ok(match &self.home {
            Some(path) => Home::new(std::path::absolute(path)?),
            None => Home::from_environment()?,
        })
    }

    /// The home that was named on the command line, if one was.
    pub fn chosen_home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The run that the user means.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn run(&self, text: &str) -> Result<(Home, RunId)> {
        let home = self.home()?;
        let run = home.find(text)?;
        Ok((home, run))
    }

    /// How long the steps of a runbook took in the runs of this home; nothing where there is no home.
    pub fn history(&self, runbook: &str, except: Option<&RunId>) -> History {
        self.home().ok().and_then(|home| history(&home, runbook, except).ok()).unwrap_or_default()
    }

    /// How commands are typed here: copied into any other terminal of this host, they find the same run.
    pub fn how(&self) -> Invocation {
        let home = self.home().ok();
        let usual = usual_home();
        let unusual = home.filter(|home| usual.as_deref() != Some(home.path()));
        let path = unusual.as_ref().map(|home| home.path().to_string_lossy());
        Invocation::new(&program(), path.as_deref())
    }
}

/// The moment now.
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Where runs live for somebody who sets nothing.
fn usual_home() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_STATE_HOME")
        .map(|state| state.join("pointsman"))
        .or_else(|| set("HOME").map(|home| home.join(".local/state/pointsman")))
}

/// `pointsman` where the shell finds this very program under that name, else the program as it was called.
fn program() -> String {
    let this = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    let found = std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).map(|folder| folder.join("pointsman")).find(|file| file.is_file()))
        .and_then(|file| file.canonicalize().ok());
    if this.is_some() && this == found {
        return "pointsman".to_owned();
    }
    let called = std::env::args_os().next().map(PathBuf::from).filter(|path| is_path(path));
    called.map_or_else(|| "pointsman".to_owned(), |path| path.to_string_lossy().into_owned())
}

fn is_path(path: &Path) -> bool {
    path.components().count() > 1
}
