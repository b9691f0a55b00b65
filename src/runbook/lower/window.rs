//! `window`: local times of one time zone, which must exist exactly once.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::Lowering;
use super::block::Block;
use crate::diagnostic::code::document as code;
use crate::diagnostic::{Diagnostic, nearest};
use crate::model::Timestamp;
use crate::runbook::document::{Spanned, Window};
use crate::runbook::language;

impl Lowering {
    pub(super) fn window(&mut self, block: &Block<'_>) -> Option<Window> {
        let window = self.inner(block, "window", &language::WINDOW)?;
        let name = self.text(&window, "time_zone");
        let zone = name.as_ref().and_then(|name| self.zone(name));
        let opens = self.local_time(&window, "opens");
        let closes = self.local_time(&window, "closes");
        let (zone, time_zone) = (zone?, name?);
        let opens = opens.and_then(|local| self.moment(&local, &zone, &time_zone));
        let closes = closes.and_then(|local| self.moment(&local, &zone, &time_zone));
        let (opens, closes) = (self.keep(opens)?, self.keep(closes)?);
        if closes.value <= opens.value {
            let error = Diagnostic::error(code::WINDOW_ORDER, closes.span, "the window closes before it opens");
            self.report.push(error.also(opens.span, "it opens here").help("a window over midnight closes on the next day"));
        }
        Some(Window { span: window.span(), opens, closes, time_zone })
    }

    fn zone(&mut self, name: &Spanned<String>) -> Option<TimeZone> {
        let known = || jiff::tz::db().available().map(|known| known.to_string());
        // The file system behind the database may not mind the case; the answer must not depend on the machine.
        if let Ok(zone) = TimeZone::get(&name.value)
            && zone.iana_name() == Some(name.value.as_str())
        {
            return Some(zone);
        }
        self.broken = true;
        let all: Vec<String> = known().collect();
        let meant = nearest(&name.value, all.iter().map(String::as_str));
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write an IANA name such as `Asia/Shanghai`, `Europe/Berlin` or `UTC`".to_owned(),
        };
        self.error(code::TIME_ZONE, name.span, format!("there is no time zone `{}`", name.value), help);
        None
    }

    fn local_time(&mut self, block: &Block<'_>, key: &str) -> Option<Spanned<DateTime>> {
        let text = self.text(block, key)?;
        match text.value.parse::<DateTime>() {
            Ok(local) if is_date_and_time(&text.value) => Some(Spanned::new(local, text.span)),
            Ok(_) | Err(_) => {
                self.broken = true;
                let time = text.value.split_once(['T', ' ']).map_or("", |(_, time)| time);
                let help = if time.contains(['+', '-', 'Z', 'z', '[']) {
                    "write the local time without an offset; `time_zone` says where it is"
                } else {
                    "write date and time: `2026-11-21T00:00`"
                };
                self.error(code::WINDOW_TIME, text.span, format!("`{key}` is not a local time"), help);
                None
            }
        }
    }

    fn moment(&mut self, local: &Spanned<DateTime>, zone: &TimeZone, name: &Spanned<String>) -> Option<Spanned<Timestamp>> {
        let ambiguous = zone.to_ambiguous_timestamp(local.value);
        let problem = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => None,
            AmbiguousOffset::Gap { .. } => Some("does not exist, because the clocks go forward over it"),
            AmbiguousOffset::Fold { .. } => Some("exists twice, because the clocks go back over it"),
        };
        if let Some(problem) = problem {
            let message = format!("the local time {} {problem}", local.value);
            let error = Diagnostic::error(code::WINDOW_AMBIGUOUS, local.span, message);
            self.report
                .push(error.also(name.span, "in this time zone").help("choose a time outside that hour, or give it in `UTC`"));
            return None;
        }
        match ambiguous.unambiguous() {
            Ok(moment) => Some(Spanned::new(Timestamp::from_millis(moment.as_millisecond()), local.span)),
            Err(_) => {
                self.error(code::WINDOW_TIME, local.span, "this time is out of range", "write date and time: `2026-11-21T00:00`");
                None
            }
        }
    }
}

/// Whether `text` is written `2026-11-21T00:00`, perhaps with seconds, perhaps with a space.
fn is_date_and_time(text: &str) -> bool {
    let fits = |pattern: &str| {
        let same = |(c, wanted): (u8, u8)| match wanted {
            b'0' => c.is_ascii_digit(),
            b'T' => c == b'T' || c == b' ',
            _ => c == wanted,
        };
        text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(same)
    };
    fits("0000-00-00T00:00") || fits("0000-00-00T00:00:00")
}
