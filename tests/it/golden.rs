//! Texts that are looked at once and kept: `tests/golden/`. `HOLDFAST_BLESS=1` writes them anew.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Holds `text` against the file `name` under `tests/golden/`.
pub(crate) fn same_as(name: &str, text: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("HOLDFAST_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("it is below tests")).expect("a folder");
        fs::write(&path, text).expect("a file");
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{} is not what it was; if it is better now, run again with HOLDFAST_BLESS=1\n{}",
        path.display(),
        difference(&kept, text)
    );
}

/// The first lines that are not the same, with what is around them.
fn difference(kept: &str, text: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (kept.lines().collect(), text.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let some = |lines: &[&str], from: usize, most: usize, mark: &str| {
        let shown = lines.iter().skip(from).take(most);
        shown.map(|it| format!("{mark} {it}\n")).collect::<Vec<_>>().concat()
    };
    let before = same.saturating_sub(3);
    format!(
        "line {}:\n{}{}{}",
        same + 1,
        some(&old, before, same - before, " "),
        some(&old, same, 12, "-"),
        some(&new, same, 12, "+"),
    )
}
