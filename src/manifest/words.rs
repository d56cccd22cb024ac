//! Words of the user and of ours inside a complaint: quoted, listed, compared.

/// A longer word of the user's is cut when it is quoted, in characters.
const QUOTED_MAX: usize = 60;
/// So many known words are listed in a complaint.
const LISTED_MAX: usize = 24;
/// So many known words are compared with an unknown one.
const COMPARED_MAX: usize = 1_000;

/// The word in backticks: on one line, of bounded length, with nothing a terminal would obey.
pub(crate) fn quote(word: &str) -> String {
    format!("`{}`", calm(word, QUOTED_MAX))
}

/// The text on one line, of `chars_max` characters at most, with nothing a terminal would obey.
pub(crate) fn calm(text: &str, chars_max: usize) -> String {
    let mut calm = String::new();
    for (at, c) in text.chars().enumerate() {
        match c {
            _ if at == chars_max => {
                calm.push('…');
                break;
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => calm.extend(c.escape_unicode()),
            _ if c.is_control() => calm.extend(c.escape_default()),
            _ => calm.push(c),
        }
    }
    calm
}

/// The words in backticks, with commas; the list is cut where it is long.
pub(crate) fn list(words: &[&str]) -> String {
    let mut listed: Vec<String> = words.iter().take(LISTED_MAX).map(|it| quote(it)).collect();
    let left = words.len().saturating_sub(LISTED_MAX);
    if left > 0 {
        listed.push(format!("and {left} more"));
    }
    listed.join(", ")
}

/// A way out for an unknown word: the known one that is meant, perhaps, and all of them.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let all = if known.is_empty() {
        "none is known here".to_owned()
    } else {
        format!("known: {}", list(known))
    };
    nearest(word, known).map_or(all.clone(), |it| format!("did you mean {}? ({all})", quote(it)))
}

/// The known word that differs from `word` in a third of its letters at most. Of one letter
/// nothing can be guessed.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let letters = word.chars().take(QUOTED_MAX + 1).count();
    if !(2..=QUOTED_MAX).contains(&letters) {
        return None;
    }
    let slips_max = (letters / 3).max(1);
    let likely = known.iter().take(COMPARED_MAX).filter(|it| it.len() <= 8 * QUOTED_MAX);
    let scored = likely.map(|it| (slips(word, it), *it));
    scored.filter(|it| it.0 <= slips_max).min_by_key(|it| it.0).map(|it| it.1)
}

/// How many letters must be put in, taken out or exchanged to make `a` of `b` (Levenshtein);
/// two neighbours that swapped places count once.
fn slips(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut before = None;
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let exchange = at(&row, j) + usize::from(x != *y);
            let mut least = exchange.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let left = j.checked_sub(1).and_then(|j| b.get(j));
            if left == Some(&x) && before == Some(*y) && i > 0 {
                least = least.min(at(&above, j - 1) + 1);
            }
            next.push(least);
        }
        above = std::mem::replace(&mut row, next);
        before = Some(x);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_hand_are_counted() {
        for (a, b, n) in [
            ("", "", 0),
            ("a", "", 1),
            ("pause", "pause", 0),
            ("puase", "pause", 1),
            ("paus", "pause", 1),
            ("cpu_brun", "cpu_burn", 1),
            ("kitten", "sitting", 3),
            ("支付", "支款", 1),
        ] {
            assert_eq!(slips(a, b), n, "{a} {b}");
            assert_eq!(slips(b, a), n, "{b} {a}");
        }
    }

    #[test]
    fn only_a_near_word_is_proposed() {
        let known = ["title", "seed", "method", "for"];
        assert_eq!(nearest("titel", &known), Some("title"));
        assert_eq!(nearest("Seed", &known), Some("seed"));
        assert_eq!(nearest("fro", &known), Some("for"));
        assert_eq!(nearest("hypothesis", &known), None);
        assert_eq!(nearest(&"t".repeat(5_000), &known), None);
    }

    #[test]
    fn a_quoted_word_cannot_act_on_a_terminal() {
        assert_eq!(quote("a\u{1b}[2Jb\n"), "`a\\u{1b}[2Jb\\n`");
        assert_eq!(quote("\u{202e}x"), "`\\u{202e}x`");
        assert_eq!(quote("支付"), "`支付`");
        assert!(quote(&"x".repeat(1_000)).chars().count() < 70);
    }
}
