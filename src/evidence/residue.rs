//! The residue check in words: what was looked at, and what was found.

use crate::journal::census::Residue;

/// The words in all reports, the finding first.
pub fn lines(it: &Residue) -> Vec<String> {
    let checked = it.checked.join(", ");
    let mut lines = Vec::new();
    if it.left.is_empty() {
        lines.push(format!("residue: none (checked: {checked})"));
    } else {
        lines.push(format!("residue: {} left (checked: {checked})", it.left.len()));
        for left in &it.left {
            lines.push(format!("left: {}", left.what));
            lines.extend(left.by_hand.iter().map(|it| format!("by hand: {it}")));
        }
    }
    lines.extend(it.unseen.iter().map(|it| format!("not looked at: {it}")));
    lines.extend(it.others.iter().map(|it| format!("changed by others, and left alone: {it}")));
    lines
}
