//! The workers of a running nginx, by `/proc`: which generation they are, and whether it is younger than a file.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::connectors::ActionError;

/// The master and its workers at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Generation {
    pub(super) master: i32,
    /// Workers that take new connections.
    pub(super) serving: BTreeSet<i32>,
    /// Workers that were told to end and still have connections: these keep the old route.
    pub(super) leaving: BTreeSet<i32>,
    /// Whether every worker that serves was started after the file was last changed, so that none can have an older text.
    pub(super) is_younger: bool,
}

/// What another host is asked for, and prints by line: when the file was changed, what time it is, how long the host is up, and
/// every process with its title, the master first. `$1` is the file with the master's number, `$2` the included file.
#[cfg(feature = "ssh")]
pub(super) const SCRIPT: &str = r#"p=$(cat -- "$1") || exit 74
stat -L -c 'changed %.9Z' -- "$2" || exit 74
date '+now %s.%N'; echo "up $(cat /proc/uptime)"
for c in $p $(cat "/proc/$p/task/$p/children"); do
  echo "process $c $(tr '\0' ' ' < "/proc/$c/cmdline")"; sed 's/^.*)/started &/' "/proc/$c/stat"
done 2>/dev/null; :"#;

/// Linux counts in these for everybody outside the kernel.
const TICKS_PER_SECOND: f64 = 100.0;
/// How exact two clocks are against each other here.
const SLACK: Duration = Duration::from_millis(50);

impl Generation {
    /// Reads the generation of the master whose number is in `pid_file`, and compares it with the age of `file`.
    pub(super) fn read(pid_file: &Path, file: &Path) -> Result<Self, ActionError> {
        let failed = |why: String| ActionError::untouched(format!("{}: {why}", pid_file.display()));
        let text = fs::read_to_string(pid_file).map_err(|error| failed(error.to_string()))?;
        let master: i32 = text.trim().parse().map_err(|_| failed("it holds no process number".to_owned()))?;
        let title = title(master).ok_or_else(|| failed(format!("no process {master} is running")))?;
        if !title.contains("nginx: master") {
            return Err(failed(format!("process {master} is no nginx master: it is `{title}`")));
        }
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).map_err(|e| failed(e.to_string()))?;
        let mut generation = Self { master, serving: BTreeSet::new(), leaving: BTreeSet::new(), is_younger: false };
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            generation.add(child, self::title(child).as_deref());
        }
        generation.is_younger = generation.is_younger_than(file);
        Ok(generation)
    }

    fn add(&mut self, child: i32, title: Option<&str>) {
        match title {
            Some(title) if title.contains("shutting down") => self.leaving.insert(child),
            Some(title) if title.contains("nginx: worker") => self.serving.insert(child),
            Some(_) | None => false,
        };
    }

    /// Reads what [`SCRIPT`] printed.
    #[cfg(feature = "ssh")]
    pub(super) fn parse(seen: &str) -> Result<Self, ActionError> {
        let broken = || ActionError::untouched("the host does not show the processes of nginx in `/proc`");
        let word =
            |key: &str| seen.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse::<f64>().ok());
        let (changed, now, up) =
            (word("changed ").ok_or_else(broken)?, word("now ").ok_or_else(broken)?, word("up ").ok_or_else(broken)?);
        let mut found: Option<Self> = None;
        let (mut last, mut young) = (0, true);
        for line in seen.lines() {
            if let Some((pid, title)) = line.strip_prefix("process ").and_then(|rest| rest.split_once(' ')) {
                last = pid.parse().map_err(|_| broken())?;
                match &mut found {
                    Some(generation) => generation.add(last, Some(title)),
                    None if title.contains("nginx: master") => {
                        let none = BTreeSet::new;
                        found = Some(Self { master: last, serving: none(), leaving: none(), is_younger: false });
                    }
                    None => return Err(ActionError::untouched(format!("process {last} is no nginx master: it is `{title}`"))),
                }
            } else if let (Some(stat), Some(generation)) = (line.strip_prefix("started "), &found) {
                let ticks = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19)?.parse::<f64>().ok());
                let started = ticks.map(|ticks| now - (up - ticks / TICKS_PER_SECOND));
                young &= !generation.serving.contains(&last) || started.is_some_and(|at| at + SLACK.as_secs_f64() >= changed);
            }
        }
        let mut generation = found.ok_or_else(broken)?;
        generation.is_younger = young && !generation.serving.is_empty();
        Ok(generation)
    }

    fn is_younger_than(&self, path: &Path) -> bool {
        let Ok(meta) = fs::metadata(path) else { return false };
        let (seconds, nanos) = (u64::try_from(meta.ctime()).unwrap_or(0), u32::try_from(meta.ctime_nsec()).unwrap_or(0));
        let changed = Duration::new(seconds, nanos);
        !self.serving.is_empty() && self.serving.iter().all(|pid| started(*pid).is_some_and(|at| at + SLACK >= changed))
    }
}

/// What a process calls itself; none when there is no such process.
fn title(pid: i32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned())
}

/// When a process was started, since 1970.
fn started(pid: i32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; the start is the twentieth field behind it.
    let ticks: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let uptime: f64 = fs::read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    now.checked_sub(Duration::try_from_secs_f64((uptime - ticks / TICKS_PER_SECOND).max(0.0)).ok()?)
}
