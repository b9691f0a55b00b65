//! Words for a POSIX shell, and the one line that the account's login shell ever sees.
//!
//! What is to be run travels over stdin, each line marked, and is read by a constant one-liner: so neither a hostile value nor
//! an odd login shell can change it, nothing of it stands in a process list, and half a script is never run.

/// The constant line. It reads marked lines from stdin until a line with a dot, and runs them; the rest of stdin is the
/// program's. When stdin ends before the dot, nothing runs and the code is 125.
pub(super) const BOOTSTRAP: &str = "exec /bin/sh -c 's=;e=;n=$(printf \"\\nx\");n=${n%x};while IFS= read -r l;do case \"$l\" in \
                                    x*) s=\"$s${l#x}$n\";;.) e=1;break;;*) break;;esac;done;[ \"$e\" ]||exit 125;eval \"$s\"'";

/// A word that a POSIX shell reads as exactly this text.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The same for a list of words.
pub(super) fn words<T: AsRef<str>>(list: &[T]) -> String {
    list.iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// The same for people: quotes only where they are needed.
pub(super) fn shown<T: AsRef<str>>(list: &[T]) -> String {
    let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c));
    let show = |word: &str| if plain(word) { word.to_owned() } else { quoted(word) };
    list.iter().map(|word| show(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// What is sent over stdin for [`BOOTSTRAP`]: the script, and then the bytes that are left for the program.
pub(super) fn framed(script: &str, stdin: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(script.len() + stdin.len() + 64);
    for line in script.lines() {
        bytes.push(b'x');
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(b".\n");
    bytes.extend_from_slice(stdin);
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn through_a_shell(input: &[u8]) -> std::process::Output {
        let mut child = Command::new("sh")
            .args(["-c", BOOTSTRAP])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        child.stdin.take().expect("a pipe").write_all(input).expect("written");
        child.wait_with_output().expect("an end")
    }

    #[test]
    fn hostile_words_arrive_as_they_are() {
        let hostile = ["", "'", "\"", "$HOME `id`", "a\nb\n.\nxc", "*", "\\", "é—☃", "-n", "!!", "%s"];
        let script = format!("printf '[%s]' {}\ncat", words(&hostile));
        let output = through_a_shell(&framed(&script, b"rest\n.\n"));
        let wanted = hostile.iter().map(|word| format!("[{word}]")).collect::<String>() + "rest\n.\n";
        assert_eq!(String::from_utf8_lossy(&output.stdout), wanted);
    }

    #[test]
    fn half_a_script_is_never_run() {
        let whole = framed("echo one\necho two", b"");
        for length in 0..whole.len() - 1 {
            let output = through_a_shell(&whole[..length]);
            assert!(output.stdout.is_empty(), "{length} bytes were enough to run something");
        }
        assert_eq!(through_a_shell(&whole).stdout, b"one\ntwo\n");
    }
}
