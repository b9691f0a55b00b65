//! Why a statement failed, and what that leaves behind.

use mysql_async::Error;

use crate::connectors::ActionError;
use crate::connectors::patience::Stopped;

/// Why a statement failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum StatementError {
    /// The server refused it: it had no effect.
    #[error("{message} (error {code})")]
    Server {
        /// The server's number for it.
        code: u16,
        /// What it said.
        message: String,
    },
    /// The connection broke before the answer came: nobody saw the end.
    #[error("the connection broke: {0}")]
    Lost(String),
    /// The time was up; the server was told to stop and said that it did.
    #[error("{0}")]
    Stopped(#[from] Stopped),
}

impl StatementError {
    /// The server's number for it, where the server answered.
    pub(super) const fn code(&self) -> Option<u16> {
        match self {
            Self::Server { code, .. } => Some(*code),
            Self::Lost(_) | Self::Stopped(_) => None,
        }
    }

    /// This error of a statement that changes something: a broken connection leaves it in doubt.
    pub(super) fn of_change(self, what: &str) -> ActionError {
        match self {
            Self::Lost(_) => ActionError::in_doubt(format!("nobody saw how `{what}` ended: {self}")),
            Self::Server { .. } | Self::Stopped(_) => ActionError::touched(format!("`{what}` failed: {self}")),
        }
    }

    /// The same of the first change of a step: what the server refused has changed nothing.
    pub(super) fn of_first_change(self, what: &str) -> ActionError {
        match self {
            Self::Server { .. } => ActionError::untouched(format!("`{what}` was refused: {self}")),
            Self::Lost(_) | Self::Stopped(_) => self.of_change(what),
        }
    }
}

impl From<StatementError> for ActionError {
    /// For statements that only look.
    fn from(error: StatementError) -> Self {
        Self::untouched(error.to_string())
    }
}

impl From<Error> for StatementError {
    fn from(error: Error) -> Self {
        match error {
            // The server ended the session: what it was doing may or may not have happened.
            Error::Server(error) if ENDED.contains(&error.code) => Self::Lost(error.message),
            Error::Server(error) => Self::Server { code: error.code, message: error.message },
            Error::Driver(_) | Error::Io(_) | Error::Other(_) | Error::Url(_) => Self::Lost(error.to_string()),
        }
    }
}

/// The server shuts down, or somebody ended this session.
const ENDED: [u16; 2] = [1053, 1927];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Touch;

    #[test]
    fn a_session_that_the_server_ended_leaves_a_change_in_doubt() {
        let said = |code| {
            StatementError::from(Error::Server(mysql_async::ServerError { code, message: "x".into(), state: "HY000".into() }))
        };
        for code in ENDED {
            assert!(said(code).of_change("REVOKE").in_doubt, "{code}");
        }
        assert!(!said(1142).of_change("REVOKE").in_doubt);
        assert_eq!(said(1142).of_change("REVOKE").touch, Touch::Possible);
        assert_eq!(said(1142).of_first_change("REVOKE").touch, Touch::Untouched);
        assert!(said(1927).of_first_change("REVOKE").in_doubt);
    }
}
