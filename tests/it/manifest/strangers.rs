//! Bytes of strangers: nothing panics, nothing grows without bound, every complaint has its place.

use holdfast::manifest::{render::render, source::Source};
use proptest::prelude::*;

use super::{MISTAKES, bomb, check};

/// Reads bytes in every way there is, and holds every complaint to its duty.
fn survive(bytes: &[u8]) {
    let source = Source::new("x.yaml", bytes);
    let (told, _) = check(&source);
    for it in &told {
        let place = it.place;
        assert!(source.text().get(place.start..place.end).is_some(), "{it:?} is out of bounds");
        assert!(!it.what.is_empty());
        if let Some((at, _)) = it.also {
            assert!(source.text().get(at.start..at.end).is_some(), "{it:?} is out of bounds");
        }
    }
    let text = render(&source, &told, false);
    assert_eq!(text.is_empty(), told.is_empty());
    assert!(!text.chars().any(|it| it.is_control() && it != '\n'), "{text:?}");
}

#[test]
fn monsters_are_turned_away() {
    let long = "k: ".repeat(300_000);
    let chain: Vec<String> = (1..3_000).map(|n| format!("- &a{n} [*a{}]\n", n - 1)).collect();
    let twins = "a: 1\n".repeat(40_000);
    for text in [
        bomb(),
        "[".repeat(5_000),
        "{a: ".repeat(5_000),
        "- ".repeat(5_000),
        "[".repeat(1 << 20),
        "? ".repeat(1 << 19),
        "\"".repeat(1 << 20),
        "${".repeat(1 << 19),
        "x${y}".repeat(200_000),
        "&a ".repeat(300_000),
        "!".repeat(1 << 20),
        "#".repeat(1 << 20),
        "\n".repeat(1 << 20),
        "\r".repeat(1 << 20),
        "- \n".repeat(90_000),
        format!("method:\n{}", "- x\n".repeat(90_000)),
        format!("title: {}", "\u{301}".repeat(500_000)),
        format!("- &a0 [x]\n{}", chain.concat()),
        format!(
            "title: a\nmethod:\n- for: 1s\n  cpu_burn: {{percent: 1, cores: 1, load: [{}]}}",
            "x,".repeat(90_000)
        ),
        long,
        twins,
    ] {
        survive(text.as_bytes());
    }
}

#[test]
fn no_way_of_nesting_goes_deeper_than_another() {
    let (blocks, brackets) = ("- ".repeat(40), ("[".repeat(40), "]".repeat(40)));
    let chain: Vec<String> = (1..80).map(|n| format!("- &a{n} [*a{}]\n", n - 1)).collect();
    for text in [
        "- ".repeat(65),
        "[".repeat(65),
        format!("{blocks}{}{}", brackets.0, brackets.1),
        format!("- &a0 [x]\n{}", chain.concat()),
    ] {
        let (told, _) = check(&Source::new("x.yaml", text));
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["nested more than 64 deep"]);
    }
    let deepest = format!("{}x{}", "[".repeat(64), "]".repeat(64));
    let (told, _) = check(&Source::new("x.yaml", deepest));
    assert_eq!(
        told.first().map(ToString::to_string).as_deref(),
        Some("a mapping is wanted here, not a list")
    );
}

#[test]
fn a_long_file_is_read_to_its_end() {
    let entry = "  - process_pause: {name: gateway, targets_max: 1}\n    for: 10s\n";
    let text = format!("title: a\nmethod:\n{}", entry.repeat(500));
    let (told, faults) = check(&Source::new("x.yaml", text));
    assert_eq!((told, faults.len()), (vec![], 500));
}

/// Text that looks like a manifest, more or less.
fn likely() -> impl Strategy<Value = String> {
    let words = [
        "title",
        "method",
        "for",
        "after",
        "process_pause",
        "cpu_burn",
        "percent",
        "10s",
        "5",
        ": ",
        ":",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "\r\n",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "&a ",
        "*a",
        "!t ",
        "'",
        "\"",
        "|\n  ",
        ">\n ",
        "${x}",
        "$${",
        "${",
        "# c",
        "---\n",
        "支付",
        "é",
        "~",
        "\u{feff}",
        "\t",
        "null",
        "1.5",
        "? ",
        "\\",
        "%",
        "\u{2028}",
        "\u{85}",
        "<<: ",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..60).prop_map(|it| it.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        survive(&bytes);
    }

    #[test]
    fn any_text_is_survived(text in "\\PC*") {
        survive(text.as_bytes());
    }

    #[test]
    fn any_likely_text_is_survived(text in likely()) {
        survive(text.as_bytes());
    }

    #[test]
    fn a_manifest_cut_anywhere_is_survived(cut in 0..MISTAKES.len()) {
        survive(&MISTAKES.as_bytes()[..cut]);
    }
}
