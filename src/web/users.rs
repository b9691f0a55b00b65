//! The file of users: who may sign in with a password, and what they may do. What they may decide, a run's roster says.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};

use super::access::May;
use super::reread::Reread;
use crate::model::Digest;
use crate::model::id::is_name;

/// The shortest password that is taken.
pub const SHORTEST: usize = 12;
/// The longest: hashing costs by the byte.
const LONGEST: usize = 1_024;

/// Users by name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Users {
    #[serde(default)]
    users: BTreeMap<String, User>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    password: String,
    may: Word,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    View,
    Operate,
}

/// Why a file of users cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It cannot be read or written.
    #[error("the file of users {path} cannot be {attempted}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What was tried.
        attempted: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// Others could read the hashes, or write themselves in.
    #[error("the file of users {0} is open to others than its owner: chmod 600 {0}")]
    Open(String),
    /// It is not as `pointsman user` writes it.
    #[error("the file of users {0} cannot be understood: {1}")]
    Malformed(String, String),
    /// The name is none.
    #[error("`{0}` is no name of a user: lower-case letters, digits, `-` and `_`, as persons are called in the roster")]
    Name(String),
    /// The password is too short or too long.
    #[error("a password has {SHORTEST} to {LONGEST} characters")]
    Password,
    /// The system would not hash it.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

impl Users {
    /// Reads the file, now and whenever it is another.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn open(path: &Path) -> Result<Reread<Self>, String> {
        Reread::open(path, |path| Self::load(path).map_err(|error| error.to_string()))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, can be read by others, or is malformed.
    pub fn load(path: &Path) -> Result<Self, UsersError> {
        let name = path.display().to_string();
        let io = |attempted| move |source| UsersError::Io { path: path.display().to_string(), attempted, source };
        let mode = fs::metadata(path).map_err(io("read"))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(UsersError::Open(name));
        }
        let text = fs::read_to_string(path).map_err(io("read"))?;
        let users: Self = serde_yaml::from_str(&text).map_err(|error| UsersError::Malformed(name.clone(), error.to_string()))?;
        for (user, entry) in &users.users {
            if !is_name(user) {
                return Err(UsersError::Name(user.clone()));
            }
            let unfit =
                |error: &dyn std::fmt::Display| UsersError::Malformed(name.clone(), format!("the hash of {user}: {error}"));
            let hash = PasswordHash::new(&entry.password).map_err(|error| unfit(&error))?;
            if hash.algorithm != argon2::ARGON2ID_IDENT {
                return Err(unfit(&"it is not argon2id"));
            }
        }
        Ok(users)
    }

    /// Writes the file anew, for its owner only.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn store(&self, path: &Path) -> Result<(), UsersError> {
        let io = |source| UsersError::Io { path: path.display().to_string(), attempted: "written", source };
        let text = serde_yaml::to_string(self).map_err(|error| io(std::io::Error::other(error)))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
        fs::write(file.path(), text).map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        file.persist(path).map_err(|error| io(error.error))?;
        Ok(())
    }

    /// Adds a user, or gives a new password and rights to one that there is.
    ///
    /// # Errors
    /// When the name or the password is not one that is taken.
    pub fn set(&mut self, name: &str, password: &str, may: May) -> Result<(), UsersError> {
        if !is_name(name) {
            return Err(UsersError::Name(name.to_owned()));
        }
        if password.chars().count() < SHORTEST || password.len() > LONGEST {
            return Err(UsersError::Password);
        }
        let salt = SaltString::generate(&mut OsRng);
        let hash = hasher().hash_password(password.as_bytes(), &salt).map_err(|error| UsersError::Hash(error.to_string()))?;
        let may = match may {
            May::View => Word::View,
            May::Operate => Word::Operate,
        };
        self.users.insert(name.to_owned(), User { password: hash.to_string(), may });
        Ok(())
    }

    /// Takes a user away; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.users.remove(name).is_some()
    }

    /// The users and what they may do.
    pub fn list(&self) -> impl Iterator<Item = (&str, May)> {
        self.users.iter().map(|(name, user)| (name.as_str(), user.may()))
    }

    /// What the file says of a user, as a digest: with another password or other rights it is another.
    pub fn entry(&self, name: &str) -> Option<Digest> {
        let user = self.users.get(name)?;
        Some(Digest::of(format!("{name}\n{}\n{}", user.password, user.may().word()).as_bytes()))
    }

    /// What this user may do, if the password is theirs. A name that nobody has costs as much time as one that somebody has.
    pub fn verify(&self, name: &str, password: &str) -> Option<May> {
        let known = self.users.get(name);
        let hash = known.map_or(NOBODY, |user| user.password.as_str());
        let hash = PasswordHash::new(hash).ok()?;
        if password.len() > LONGEST {
            return None;
        }
        let fits = hasher().verify_password(password.as_bytes(), &hash).is_ok();
        known.filter(|_| fits).map(User::may)
    }
}

impl User {
    const fn may(&self) -> May {
        match self.may {
            Word::View => May::View,
            Word::Operate => May::Operate,
        }
    }
}

/// The hash of a password that nobody has: what is tried where there is no such user.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5LWhhcy1pdA$1vyVGAr9dFvyEAS5jQUIL0eMyiDvgs5Ns62A0zDUhGo";

/// Argon2id as OWASP asks for it: 19 MiB, two passes, one lane.
fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_users_own_and_its_hash_costs_what_nobodys_does() {
        let mut users = Users::default();
        users.set("alice", "correct horse battery", May::Operate).expect("a user");
        assert_eq!(users.verify("alice", "correct horse battery"), Some(May::Operate));
        assert_eq!(users.verify("alice", "correct horse batterz"), None);
        assert_eq!(users.verify("bob", "correct horse battery"), None);
        let nobody = PasswordHash::new(NOBODY).expect("a hash");
        let alice = PasswordHash::new(&users.users["alice"].password).expect("a hash");
        assert_eq!(nobody.params, alice.params);
        assert!(matches!(users.set("bob", "short", May::View), Err(UsersError::Password)));
        assert!(matches!(users.set("Bob", "correct horse battery", May::View), Err(UsersError::Name(_))));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("users.yaml");
        let mut users = Users::default();
        users.set("alice", "correct horse battery", May::View).expect("a user");
        users.store(&path).expect("written");
        assert_eq!(Users::load(&path).expect("read"), users);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(matches!(Users::load(&path), Err(UsersError::Open(_))));
    }
}
