//! A histogram as a terminal shows it: one line a group of buckets, one bar a line.

use super::{histogram::Histogram, report::duration};
use crate::say::Paint;

/// Most lines of a picture.
const LINES_MAX: usize = 12;
/// Cells of the longest bar.
const WIDTH: usize = 40;
/// One to eight eighths of a cell.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// The picture, without a line end at its end; empty where nothing was seen.
pub(super) fn picture(histogram: &Histogram, paint: Paint) -> String {
    let groups = [1, 2, 4, 8, 16, 32].map(|step| histogram.groups(step));
    let Some(groups) = groups.iter().find(|groups| groups.len() <= LINES_MAX) else { return String::new() };
    let most = groups.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let lines = groups.iter().map(|(begin, count)| {
        let share = *count as f64 * 100.0 / histogram.count().max(1) as f64;
        let share = if *count == 0 { String::new() } else { format!(" {share:.1} %") };
        let bar = paint.command(&bar(*count, most));
        format!("{:>12} │{bar}{}", format!("≥ {}", duration(*begin)), paint.faint(&share))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A bar for `count`, where `most` has the longest; whatever is not zero can be seen.
fn bar(count: u64, most: u64) -> String {
    let eighths = (count as f64 / most.max(1) as f64 * (WIDTH * 8) as f64).round() as usize;
    let eighths = eighths.max(usize::from(count > 0));
    let mut bar = "█".repeat(eighths / 8);
    bar.extend((eighths % 8).checked_sub(1).map(|rest| EIGHTHS[rest]));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_longest_bar_is_full_and_the_shortest_can_be_seen() {
        assert_eq!(bar(1_000_000, 1_000_000).chars().count(), WIDTH);
        assert_eq!((bar(1, 1_000_000).as_str(), bar(0, 5).as_str(), bar(0, 0).as_str()), ("▏", "", ""));
        assert_eq!(bar(1, 2).chars().count(), WIDTH / 2);
    }

    #[test]
    fn a_picture_fits_and_says_what_share_is_where() {
        let mut histogram = Histogram::new();
        assert_eq!(picture(&histogram, Paint::PLAIN), "");
        (0..3).for_each(|_| histogram.record(Duration::from_micros(50)));
        histogram.record(Duration::from_secs(2));
        let picture = picture(&histogram, Paint::PLAIN);
        let lines: Vec<_> = picture.lines().collect();
        assert!(lines.len() <= LINES_MAX, "{picture}");
        assert!(lines[0].contains("75.0 %") && lines[lines.len() - 1].contains("25.0 %"), "{picture}");
    }
}
