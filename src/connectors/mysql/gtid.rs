//! Positions in a replication stream: GTIDs as MariaDB and as MySQL write them, and whether one is at or past another.

use std::collections::BTreeMap;

use super::session::Dialect;

/// A position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Position {
    /// MariaDB: in each domain, the server that wrote the last event, and its sequence number.
    MariaDb(BTreeMap<u32, (u32, u64)>),
    /// MySQL: for each source (and tag), the closed intervals of its transactions, in order and apart from each other.
    MySql(BTreeMap<String, Vec<(u64, u64)>>),
}

impl Position {
    /// Reads a position; the error says how one is written.
    pub(super) fn parse(dialect: Dialect, text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        match dialect {
            Dialect::MariaDb => {
                let mut domains = BTreeMap::new();
                for part in parts {
                    let (domain, server, sequence) =
                        mariadb(part).ok_or_else(|| format!("`{part}` is no GTID of MariaDB, such as `0-1-100`"))?;
                    if domains.insert(domain, (server, sequence)).is_some() {
                        return Err(format!("`{text}` names the domain {domain} twice"));
                    }
                }
                Ok(Self::MariaDb(domains))
            }
            Dialect::MySql => {
                let mut sets: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
                for part in parts {
                    for (source, interval) in
                        mysql(part).ok_or_else(|| format!("`{part}` is no GTID set of MySQL, such as `<uuid>:1-100`"))?
                    {
                        sets.entry(source).or_default().push(interval);
                    }
                }
                sets.values_mut().for_each(join);
                Ok(Self::MySql(sets))
            }
        }
    }

    /// Whether it says nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::MariaDb(domains) => domains.is_empty(),
            Self::MySql(sets) => sets.is_empty(),
        }
    }

    /// The parts of `fence` that this position has not reached, as text; empty where it is at or past the fence.
    pub(super) fn missing(&self, fence: &Self) -> Vec<String> {
        match (self, fence) {
            (Self::MariaDb(have), Self::MariaDb(want)) => want
                .iter()
                // Only the number counts: the server id says who wrote it, and the one that applied it may have written since.
                .filter(|(domain, (_, sequence))| have.get(domain).is_none_or(|(_, reached)| reached < sequence))
                .map(|(domain, (server, sequence))| format!("{domain}-{server}-{sequence}"))
                .collect(),
            (Self::MySql(have), Self::MySql(want)) => {
                let mut missing = Vec::new();
                for (source, intervals) in want {
                    let held = have.get(source).map_or(&[][..], Vec::as_slice);
                    for (first, last) in intervals {
                        if !held.iter().any(|(from, to)| from <= first && last <= to) {
                            missing.push(format!("{source}:{first}-{last}"));
                        }
                    }
                }
                missing
            }
            (Self::MariaDb(_), Self::MySql(_)) | (Self::MySql(_), Self::MariaDb(_)) => {
                vec!["a position of the other dialect".to_owned()]
            }
        }
    }

    /// What was applied, and for the domains in which `fence` ends with an event of this very server what it logged itself: its own
    /// events never come back to it. In every other domain its own writes say nothing, however high their numbers are.
    pub(super) fn with_own(self, logged: &Self, fence: &Self, server_id: u32) -> Self {
        let (mut applied, logged, fence) = match (self, logged, fence) {
            (Self::MariaDb(applied), Self::MariaDb(logged), Self::MariaDb(fence)) => (applied, logged, fence),
            (position, ..) => return position,
        };
        for (domain, _) in fence.iter().filter(|(_, (server, _))| *server == server_id) {
            let reached = applied.get(domain).map_or(0, |(_, sequence)| *sequence);
            if let Some(last) = logged.get(domain).filter(|(_, sequence)| *sequence > reached) {
                applied.insert(*domain, *last);
            }
        }
        Self::MariaDb(applied)
    }
}

fn mariadb(part: &str) -> Option<(u32, u32, u64)> {
    let mut numbers = part.split('-');
    let found = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    numbers.next().is_none().then_some(found)
}

/// `uuid:1-5:7:tag:1-3` as intervals by source and tag.
fn mysql(part: &str) -> Option<Vec<(String, (u64, u64))>> {
    let (uuid, rest) = part.split_once(':')?;
    let is_uuid = uuid.len() == 36 && uuid.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if !is_uuid {
        return None;
    }
    let mut source = uuid.to_ascii_lowercase();
    let mut found = Vec::new();
    for piece in rest.split(':').map(str::trim) {
        if piece.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            source = format!("{}:{}", uuid.to_ascii_lowercase(), piece.to_ascii_lowercase());
            continue;
        }
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        if first == 0 || last < first {
            return None;
        }
        found.push((source.clone(), (first, last)));
    }
    (!found.is_empty()).then_some(found)
}

/// Orders intervals and joins those that touch.
fn join(intervals: &mut Vec<(u64, u64)>) {
    intervals.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::with_capacity(intervals.len());
    for (first, last) in intervals.drain(..) {
        match joined.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
            _ => joined.push((first, last)),
        }
    }
    *intervals = joined;
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<_> = match self {
            Self::MariaDb(domains) => {
                domains.iter().map(|(domain, (server, sequence))| format!("{domain}-{server}-{sequence}")).collect()
            }
            Self::MySql(sets) => {
                let set = |intervals: &Vec<(u64, u64)>| intervals.iter().map(|(a, b)| format!("{a}-{b}")).collect::<Vec<_>>();
                sets.iter().map(|(source, intervals)| format!("{source}:{}", set(intervals).join(":"))).collect()
            }
        };
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(dialect: Dialect, have: &str, fence: &str) -> bool {
        let read = |text| Position::parse(dialect, text).expect("a position");
        read(have).missing(&read(fence)).is_empty()
    }

    #[test]
    fn a_domain_is_compared_by_its_number_and_every_domain_counts() {
        let reached = |have, fence| reached(Dialect::MariaDb, have, fence);
        assert!(reached("0-1-9", "0-1-9") && reached("0-2-10", "0-1-9") && reached("0-1-100,1-1-1", "0-1-20"));
        assert!(!reached("0-1-8", "0-1-9") && !reached("", "0-1-1") && !reached("0-1-9", "0-1-9,7-1-1"));
        assert!(!reached("0-1-9", "0-1-10"), "9 is below 10 although it sorts after it as text");
    }

    #[test]
    fn a_set_of_mysql_is_held_interval_by_interval() {
        const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let reached = |have: &str, fence: &str| reached(Dialect::MySql, &have.replace('A', A), &fence.replace('A', A));
        assert!(reached("A:1-10", "A:1-10") && reached("A:1-5:6-10", "A:3-7") && reached("A:1-10,\n A:11", "A:2-11"));
        assert!(!reached("A:1-4:6-10", "A:1-10"), "a gap is a missing transaction");
        assert!(!reached("A:1-10", "A:blue:1") && reached("A:1:blue:1-3", "A:blue:2"));
        assert!(!reached("", "A:1"));
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for (dialect, bad) in [
            (Dialect::MariaDb, "0-1"),
            (Dialect::MariaDb, "0-1-x"),
            (Dialect::MariaDb, "0-1-5,0-2-6"),
            (Dialect::MySql, "0-1-5"),
            (Dialect::MySql, "3e11fa47-71ca-11e1-9e33-c80aa9429562:5-3"),
            (Dialect::MySql, "3e11fa47-71ca-11e1-9e33-c80aa9429562:"),
        ] {
            assert!(Position::parse(dialect, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn local_writes_do_not_count_as_applied() {
        let read = |text| Position::parse(Dialect::MariaDb, text).expect("a position");
        let (applied, logged) = (read("0-1-5"), read("0-7-900,1-7-4"));
        assert_eq!(applied.clone().with_own(&logged, &read("0-1-100,1-7-4"), 7).to_string(), "0-1-5,1-7-4");
        assert_eq!(applied.with_own(&logged, &read("0-7-100"), 7).to_string(), "0-7-900");
    }
}
