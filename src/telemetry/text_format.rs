//! The text format of Prometheus that came before `OpenMetrics`: what differs is how a counter is named where
//! its type is told.

use std::collections::HashSet;
use std::fmt::Write;

/// Turns a page of `OpenMetrics` into one of that format.
pub fn as_text(page: &str) -> String {
    let counters: HashSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(page.len());
    for line in page.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("EOF" | "UNIT"), ..) => continue,
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(name) => {
                // Nothing can go wrong in memory.
                let _ = write!(text, "# {what} {name}_total {rest}");
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_as_their_samples() {
        let page = "# HELP a A.\n# TYPE a counter\na_total{x=\"y\"} 1\n# HELP b_seconds B.\n# TYPE b_seconds histogram\n# UNIT b_seconds seconds\nb_seconds_sum 0.5\n# EOF\n";
        assert_eq!(
            as_text(page),
            "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"y\"} 1\n# HELP b_seconds B.\n# TYPE b_seconds histogram\nb_seconds_sum 0.5\n"
        );
    }
}
