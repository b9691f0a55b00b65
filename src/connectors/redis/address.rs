//! Where a Redis node is: `redis://user@host:port/db`, or `host:port` for a further node of the same group.

use crate::connectors::{ActionError, Target};

/// One node's address, and as whom to speak to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) db: u32,
}

impl Address {
    /// Reads `redis://user@host:port/db`.
    fn parse(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("redis://").ok_or("write it as `redis://user@host:port/db`; TLS is asked for by `tls`")?;
        let (place, db) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, place) = place.rsplit_once('@').map_or((None, place), |(user, place)| (Some(user), place));
        if user.is_some_and(|user| user.contains(':')) {
            return Err("a password does not belong into the address: give it as `password`, by reference".to_owned());
        }
        let (host, port) = Self::place(place)?;
        let db = if db.is_empty() { Ok(0) } else { db.parse().map_err(|_| format!("`{db}` is no database number")) };
        Ok(Self { host, port, user: user.filter(|user| !user.is_empty()).map(str::to_owned), db: db? })
    }

    /// Reads `host`, `host:port` or `[v6]:port`.
    fn place(place: &str) -> Result<(String, u16), String> {
        const PORT: u16 = 6379;
        let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is no port"));
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, PORT),
            Some((host, port)) => (host, number(port.trim_start_matches(':'))?),
            None => match place.rsplit_once(':') {
                Some((host, port)) => (host, number(port)?),
                None => (place, PORT),
            },
        };
        if host.is_empty() { Err("the host is missing".to_owned()) } else { Ok((host.to_owned(), port)) }
    }

    /// The address of a target's `url`.
    pub(super) fn of(target: &Target) -> Result<Self, ActionError> {
        Self::parse(target.settings.text("url")?)
            .map_err(|problem| ActionError::untouched(format!("the `url` of target `{}`: {problem}", target.name)))
    }

    /// The `url` and every one of `nodes`, in this order.
    pub(super) fn all(target: &Target) -> Result<Vec<Self>, ActionError> {
        let first = Self::of(target)?;
        let mut all = vec![first.clone()];
        for place in target.settings.texts("nodes")? {
            let (host, port) = Self::place(&place).map_err(|problem| {
                ActionError::untouched(format!("`{place}` under `nodes` of target `{}`: {problem}", target.name))
            })?;
            all.push(Self { host, port, ..first.clone() });
        }
        Ok(all)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_are_read_and_passwords_in_them_refused() {
        let full = Address::parse("redis://ops@db1:6400/3").expect("an address");
        assert_eq!((full.user.as_deref(), full.db, full.to_string().as_str()), (Some("ops"), 3, "db1:6400"));
        let short = Address::parse("redis://db1").expect("an address");
        assert_eq!((short.user, short.db, short.port), (None, 0, 6379));
        assert_eq!(Address::parse("redis://[::1]:6380").expect("an address").to_string(), "[::1]:6380");
        for bad in ["db1", "rediss://db1", "redis://u:p@db1", "redis://", "redis://db1:x", "redis://db1/x"] {
            assert!(Address::parse(bad).is_err(), "{bad} should be refused");
        }
    }
}
