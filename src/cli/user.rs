//! `pointsman user`: who may sign in at the console with a password.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};

use super::console;
use super::exit::Exit;
use crate::web::{May, Users};

const EXAMPLES: &str = "\
Examples:
  pointsman user set users.yaml alice            asks for the password twice; makes the file where
                                                 there is none
  pointsman user set users.yaml wall --may view  somebody who may only look
  pass night/alice | pointsman user set users.yaml alice
  pointsman user list users.yaml
  pointsman user remove users.yaml alice

A user is called as the person of the roster. What they may decide is what the roster says; a roster believes a console about \
who signed in only where it names the login under which the console runs: `consoles: [pointsman]`. \
A running console reads the file again when it changed; sessions of a user who was changed or removed end.";

/// Makes and changes the users of the console
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct UserArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Adds a user, or gives a new password to one
    Set {
        /// The file of users
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The user, as the roster calls the person
        #[arg(value_name = "NAME")]
        name: String,
        /// What they may do
        #[arg(long, value_name = "WHAT", default_value = "operate")]
        may: Rights,
    },
    /// Takes a user away
    Remove {
        /// The file of users
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The user
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Lists the users
    List {
        /// The file of users
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Rights {
    /// Look
    View,
    /// Look and act
    Operate,
}

/// Changes or lists users.
///
/// # Errors
/// When the file cannot be used, or the name or the password is not one that is taken.
pub fn run(args: &UserArgs) -> Result<Exit> {
    match &args.verb {
        Verb::Set { file, name, may } => {
            let mut users = read(file)?;
            let may = match may {
                Rights::View => May::View,
                Rights::Operate => May::Operate,
            };
            users.set(name, &password(name)?, may)?;
            users.store(file)?;
            console::say(format!("{name} may {} in {}", may.word(), file.display()));
            Ok(Exit::Done)
        }
        Verb::Remove { file, name } => {
            let mut users = Users::load(file)?;
            ensure!(users.remove(name), "{} has no user {name}", file.display());
            users.store(file)?;
            Ok(Exit::Done)
        }
        Verb::List { file } => {
            let users = Users::load(file)?;
            console::print(users.list().map(|(name, may)| format!("{name}  {}\n", may.word())).collect::<String>())?;
            Ok(Exit::Done)
        }
    }
}

fn read(file: &Path) -> Result<Users> {
    if file.exists() { Ok(Users::load(file)?) } else { Ok(Users::default()) }
}

/// The password: typed twice where nobody sees it, or one line of standard input. Never an argument: those can be read by others.
fn password(name: &str) -> Result<String> {
    if io::stdin().is_terminal() {
        let password = rpassword::prompt_password(format!("Password of {name}: ")).context("the password cannot be read")?;
        let again = rpassword::prompt_password("The same again: ").context("the password cannot be read")?;
        ensure!(password == again, "the two are not the same: nothing was changed");
        return Ok(password);
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("the password cannot be read")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
