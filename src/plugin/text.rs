//! Words and tables as kubectl writes them.

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::conditions::{self, READY, RECORD_PRESENT};
use crate::api::{OrganizationDomain, OrganizationDomainStatus, State};
use crate::model::terminal;

/// What stands where there is nothing to say.
pub(super) const NONE: &str = "-";

/// Columns as wide as their widest text, three blanks apart.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| terminal::line(cell)))
        .collect();
    let width = |column: usize| {
        let texts = rows.iter().map(|row| terminal::width(&row[column]));
        texts.max().unwrap_or(0).max(head[column].len())
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = line(head, &widths);
    for row in &rows {
        text += &line(row.each_ref().map(String::as_str), &widths);
    }
    text
}

fn line<const N: usize>(cells: [&str; N], widths: &[usize; N]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line += cell;
        let blanks = width.saturating_sub(terminal::width(cell)) + 3;
        line.extend(std::iter::repeat_n(' ', blanks));
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

pub(super) fn state(state: Option<State>) -> String {
    state.map_or(NONE.to_owned(), |state| format!("{state:?}"))
}

/// Why the domain stands as it does: of a verified one whose record is missing, that.
pub(super) fn reason(status: &OrganizationDomainStatus) -> &str {
    let missing = conditions::find(&status.conditions, RECORD_PRESENT)
        .filter(|condition| condition.status == "False");
    missing
        .or_else(|| conditions::find(&status.conditions, READY))
        .map_or(NONE, |condition| condition.reason.as_str())
}

/// When the next check comes.
pub(super) fn next_check(time: Option<Timestamp>, period: Option<i64>, now: Timestamp) -> String {
    match (time, period) {
        (Some(time), _) => match time.duration_since(now).as_secs() {
            ..=0 => "now".to_owned(),
            left => format!("in {}", short(left)),
        },
        (None, Some(seconds)) => format!("every {}", short(seconds)),
        (None, None) => NONE.to_owned(),
    }
}

/// A duration in its largest unit, rounded down.
fn short(seconds: i64) -> String {
    for (unit, letter) in [(86_400, 'd'), (3600, 'h'), (60, 'm')] {
        if seconds >= 2 * unit || seconds == unit {
            return format!("{}{letter}", seconds / unit);
        }
    }
    format!("{seconds}s")
}

/// `NAMESPACE/NAME`.
pub(super) fn path(domain: &OrganizationDomain) -> String {
    let namespace = domain.namespace().unwrap_or_default();
    format!("{namespace}/{}", domain.name_any())
}

/// The status, and of an object that nobody looked at yet an empty one.
pub(super) fn status_of(domain: &OrganizationDomain) -> OrganizationDomainStatus {
    domain.status.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit() {
        for (seconds, text) in [
            (0, "0s"),
            (60, "1m"),
            (119, "119s"),
            (120, "2m"),
            (3600, "1h"),
            (7199, "119m"),
            (86_400, "1d"),
            (200_000, "2d"),
        ] {
            assert_eq!(short(seconds), text);
        }
    }

    #[test]
    fn a_terminal_is_told_nothing_by_tenants() {
        let rows = [["a\u{1b}[2J\nb".to_owned()]];
        assert_eq!(table(["X"], &rows), "X\na\\u{1b}[2J\\nb\n");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [
            ["a".to_owned(), "ü".to_owned()],
            ["bbbb".to_owned(), String::new()],
        ];
        assert_eq!(table(["X", "YY"], &rows), "X      YY\na      ü\nbbbb\n");
        // A letter with a mark takes one column.
        let rows = [["e\u{301}".to_owned(), "x".to_owned()]];
        assert_eq!(table(["X", "Y"], &rows), "X   Y\ne\u{301}   x\n");
    }
}
