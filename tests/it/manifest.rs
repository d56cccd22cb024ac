//! What users write: read as meant, and complained about so that they can mend it.

use std::{collections::BTreeMap, time::Instant};

use holdfast::{
    manifest::{
        diagnostic::Diagnostic,
        kinds::Menu,
        node::{Doc, Id},
        read::read,
        render::{SHOWN_MAX, render},
        source::Source,
        unread::{Placed, Unread},
        vars,
    },
    units::Span,
};
use proptest::prelude::*;
use serde::{Deserialize, de::DeserializeOwned};

use crate::golden;

// ---- a small language with everything in it ------------------------------------------------

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    title: String,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    vars: BTreeMap<String, String>,
    method: Vec<Unread>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    #[serde(rename = "for")]
    length: Span,
    #[serde(default)]
    after: Option<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pause {
    name: Placed<String>,
    targets_max: u8,
    #[serde(default)]
    how: How,
}

#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum How {
    #[default]
    Ptrace,
    Signal,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Burn {
    percent: u8,
    cores: std::num::NonZeroU16,
    #[serde(default)]
    gentle: bool,
    #[serde(default)]
    load: Vec<f64>,
}

const MENU: Menu<'_> =
    Menu { sort: "fault", known: &["process_pause", "cpu_burn"], common: &["for", "after"] };

/// Reads all of it; gives back the complaints and how many faults were right.
fn check(source: &Source) -> (Vec<Diagnostic>, usize) {
    let mut out = Vec::new();
    let right = Doc::parse(source, &mut out).map_or(0, |doc| check_all(doc, &mut out));
    (out, right)
}

fn check_all(mut doc: Doc, out: &mut Vec<Diagnostic>) -> usize {
    let (root, mut right) = (doc.root(), 0);
    let mut known = BTreeMap::new();
    if let Some(id) = doc.get(root, "vars") {
        known = read(&doc, id, doc.head(id), &mut Vec::new()).unwrap_or_default();
    }
    vars::fill(&mut doc, &known, out);
    let Some(scenario) = read::<Scenario>(&doc, root, doc.head(root), out) else { return 0 };
    for Unread(entry) in scenario.method {
        let Some(pick) = MENU.pick(&mut doc, entry, out) else { continue };
        let common = read::<Common>(&doc, pick.common, pick.place, out).is_some();
        let settings = pick.kind.is_some_and(|(number, id)| match number {
            0 => read::<Pause>(&doc, id, pick.place, out).is_some(),
            _ => read::<Burn>(&doc, id, pick.place, out).is_some(),
        });
        right += usize::from(common && settings);
    }
    right
}

fn shown(path: &str, bytes: impl AsRef<[u8]>) -> String {
    let source = Source::new(path, bytes);
    render(&source, &check(&source).0, false)
}

fn whole<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let (source, mut out) = (Source::new("t.yaml", text), Vec::new());
    let read = Doc::parse(&source, &mut out)
        .and_then(|doc| read(&doc, doc.root(), doc.head(doc.root()), &mut out));
    if out.is_empty() { read.ok_or_else(String::new) } else { Err(render(&source, &out, false)) }
}

// ---- complaints, looked at -----------------------------------------------------------------

const MISTAKES: &str = include_str!("../golden/manifest/mistakes.yaml");

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    golden::same_as("manifest/mistakes.txt", &shown("pay.yaml", MISTAKES));
}

#[test]
fn line_ends_and_a_byte_order_mark_move_no_place() {
    let windows = format!("\u{feff}{}", MISTAKES.replace('\n', "\r\n"));
    let (plain, windows) = (shown("pay.yaml", MISTAKES), shown("pay.yaml", windows));
    assert_eq!(windows, plain);
}

#[test]
fn colours_change_no_word() {
    let source = Source::new("pay.yaml", MISTAKES);
    let coloured = render(&source, &check(&source).0, true);
    assert!(coloured.contains("\u{1b}["), "no colour at all");
    let mut plain = String::new();
    let mut inside = false;
    for c in coloured.chars() {
        inside |= c == '\u{1b}';
        if !inside {
            plain.push(c);
        }
        inside &= c != 'm';
    }
    assert_eq!(plain, shown("pay.yaml", MISTAKES));
}

#[test]
fn text_that_is_not_yaml_is_told_where_it_ends_to_be() {
    let texts = [
        ("bracket", "title: [a, b\nmethod: []\n"),
        ("quote", "title: \"支付\nmethod: []\n"),
        ("colon", "title: pay: now\n"),
        ("tab", "method:\n\t- x\n"),
        ("indent", "method:\n  - a: 1\n - b: 2\n"),
        ("alias", "title: *nobody\n"),
        ("at", "title: @home\n"),
        ("no colon", "title: a\nmethod\n"),
        ("variable", "title: {a: ${b}}\n"),
        ("binary", "title: \u{1}\n"),
    ];
    let all: String =
        texts.iter().map(|(name, text)| format!("# {name}\n{}\n", shown("x.yaml", text))).collect();
    golden::same_as("manifest/syntax.txt", &all);
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let deep = "[".repeat(5_000);
    let bomb = bomb();
    let texts: [(&str, &[u8]); 10] = [
        ("empty", b""),
        ("comment", b"# nothing yet\n"),
        ("dashes", b"---\n"),
        ("not UTF-8", b"title: \xe6\x94\xaf\xff\xfe\n"),
        ("second document", b"title: a\nmethod: []\n---\ntitle: b\n"),
        ("tag", b"title: !secret a\nmethod: []\n"),
        ("list", b"- a\n- b\n"),
        ("endless alias", b"title: a\nmethod: &m [*m]\n"),
        ("deep", deep.as_bytes()),
        ("bomb", bomb.as_bytes()),
    ];
    let all: String =
        texts.iter().map(|(name, text)| format!("# {name}\n{}\n", shown("x.yaml", text))).collect();
    golden::same_as("manifest/unreadable.txt", &all);
    let long = vec![b'x'; (1 << 20) + 1];
    assert!(shown("x.yaml", long).contains("longer than 1024 KiB"));
}

#[test]
fn variables_are_complained_about_where_they_stand() {
    let text = "\
vars: {threads: \"4\", prcnt: \"80\"}
title: 支付 ${titel} and ${prct}, then $${kept} and ${ }
method:
  - cpu_burn: {percent: \"${percent}\", cores: \"${threads}\"}
    for: ${length}
  - cpu_burn:
      percent: ${prcnt}
      cores: \"\\u0024{threads} ${none}\"
    for: |
      ${a}
      ${b}
  - ${kind}: 3
";
    golden::same_as("manifest/variables.txt", &shown("vars.yaml", text));
}

#[test]
fn no_more_is_shown_than_can_be_read() {
    let keys: String = (0..SHOWN_MAX + 3).map(|n| format!("wrong{n}: 1\n")).collect();
    let text = shown("x.yaml", format!("title: a\nmethod: []\n{keys}"));
    assert_eq!(text.matches("error:").count(), SHOWN_MAX);
    assert!(text.ends_with("\n3 more mistakes are not shown\n"), "{text}");
}

#[test]
fn a_line_too_long_to_draw_still_has_its_place() {
    let text = format!("{{title: {}, methd: 1, methd: 2}}", "x".repeat(500_000));
    let text = shown("x.yaml", text);
    assert!(text.contains("x.yaml:1:500011"), "{text}");
    assert!(text.len() < 2_000, "{} bytes", text.len());
}

// ---- reading -------------------------------------------------------------------------------

#[test]
fn what_is_right_is_read_without_a_word() {
    let text = "\
title: &t A payment system under load
seed: 7
method:
  - process_pause: {name: gateway, targets_max: 1, how: signal}
    for: 10s
    after: 250ms
  - cpu_burn:
      percent: 80
      cores: 2
      load: [1, 2.5, -3e2]
    for: 1m
  - process_pause: {name: *t, targets_max: 2}
    for: 5s
";
    let (told, right) = check(&Source::new("x.yaml", text));
    assert_eq!((told, right), (vec![], 3));
}

#[test]
fn text_is_what_was_written_and_numbers_are_numbers() {
    type Words = BTreeMap<String, String>;
    let words: Words = whole("a: 1.10\nb: 007\nc: yes\nd: true\ne: ''\nf: 1e3\n").unwrap();
    let read: Vec<_> = words.values().map(String::as_str).collect();
    assert_eq!(read, ["1.10", "007", "yes", "true", "", "1e3"]);
    assert_eq!(whole::<Vec<f64>>("[1, -2, 2.5, 1e3, .5]"), Ok(vec![1.0, -2.0, 2.5, 1e3, 0.5]));
    assert_eq!(whole::<Vec<Option<u8>>>("[1, ~, null, ]"), Ok(vec![Some(1), None, None]));
    assert_eq!(whole::<(u8, String)>("[1, a]"), Ok((1, "a".to_owned())));
    for (text, why) in [
        ("[.inf]", "a number is wanted here, not the text `.inf`"),
        ("[1e999]", "a number is wanted here, not the text `1e999`"),
        ("['1']", "a number is wanted here, not the text `1`"),
    ] {
        let told = whole::<Vec<f64>>(text).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
    assert!(whole::<(u8, u8)>("[1, 2, 3]").unwrap_err().contains("a list of 2 is wanted here"));
}

#[test]
fn a_choice_is_a_word_or_a_word_with_its_value() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum Choice {
        Nothing,
        One(u8),
        Two(u8, u8),
        Named { n: u8 },
    }
    let text = "[nothing, {nothing: }, {one: 1}, {two: [1, 2]}, {named: {n: 3}}]";
    let one = [Choice::Nothing, Choice::Nothing, Choice::One(1), Choice::Two(1, 2)];
    let all: Vec<Choice> = one.into_iter().chain([Choice::Named { n: 3 }]).collect();
    assert_eq!(whole(text), Ok(all));
    let bad = "- nothin\n- {nothing: 1}\n- one\n- {one: x}\n- {two: [1]}\n- {named: {m: 1}}\n- {a: 1, b: 2}\n- [x]\n- {tow: 1}\n";
    golden::same_as("manifest/choices.txt", &whole::<Vec<Choice>>(bad).unwrap_err());
}

#[test]
fn a_placed_value_knows_where_it_stands() {
    let text = "支付: x\n名: [a, 'b c']\n";
    let keys: BTreeMap<String, Unread> = whole(text).unwrap();
    let mut out = Vec::new();
    let doc = Doc::parse(&Source::new("x.yaml", text), &mut out).unwrap();
    let names: Vec<Placed<String>> =
        read(&doc, keys["名"].0, doc.head(keys["名"].0), &mut out).unwrap();
    let at: Vec<_> = names.iter().map(|it| it.place.of(text)).collect();
    assert_eq!((at, out), (vec!["a", "'b c'"], vec![]));
}

#[test]
fn variables_go_in_as_text_and_as_nothing_else() {
    let text = "\
a: ${n}
b: '${n}'
c: x${n}
d: ${list}
e: $${n} ${self}
f: ['${n}', {k: \"${word}\"}]
${n}: key
";
    let mut out = Vec::new();
    let mut doc = Doc::parse(&Source::new("x.yaml", text), &mut out).unwrap();
    let names: Vec<String> = vars::names(&doc).into_iter().collect();
    assert_eq!(names, ["list", "n", "self", "word"]);
    let known = [("n", "5"), ("list", "[1, 2]"), ("self", "${n}"), ("word", "a: b")];
    let known = known.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    vars::fill(&mut doc, &known, &mut out);
    let value = |key: &str| doc.get(doc.root(), key).unwrap_or(Id::NOWHERE);
    let text = |key: &str| doc.text(value(key)).unwrap_or("?").to_owned();
    assert_eq!(
        ["a", "b", "c", "d", "e", "${n}"].map(text),
        ["5", "5", "x5", "[1, 2]", "${n} ${n}", "key"]
    );
    let at = doc.head(doc.root());
    assert_eq!(read::<u8>(&doc, value("a"), at, &mut out), Some(5));
    assert_eq!(read::<u8>(&doc, value("b"), at, &mut out), Some(5));
    assert_eq!(read::<(u8, Unread)>(&doc, value("f"), at, &mut out).map(|it| it.0), Some(5));
    assert_eq!(out, vec![]);
    assert_eq!(read::<Vec<u8>>(&doc, value("d"), at, &mut out), Some(vec![]));
    assert_eq!(out.len(), 1);
}

#[test]
fn variables_cannot_blow_a_file_up() {
    let text = format!("[{}]", "'${big}', ".repeat(100));
    let mut out = Vec::new();
    let mut doc = Doc::parse(&Source::new("x.yaml", text), &mut out).unwrap();
    let known = BTreeMap::from([("big".to_owned(), "x".repeat(100_000))]);
    vars::fill(&mut doc, &known, &mut out);
    let told: Vec<String> = out.iter().map(Diagnostic::to_string).collect();
    assert_eq!(told, ["variables make the file longer than 1024 KiB"]);
}

#[test]
fn nothing_is_nowhere() {
    let mut out = Vec::new();
    let mut doc = Doc::parse(&Source::new("x.yaml", "a: 1"), &mut out).unwrap();
    let other = Doc::parse(&Source::new("y.yaml", "[1, 2, 3, 4]"), &mut out).unwrap();
    let foreign = other.list(other.root()).and_then(|it| it.last()).copied().unwrap();
    for id in [Id::NOWHERE, foreign] {
        assert_eq!(read::<u8>(&doc, id, doc.head(id), &mut out), None);
        assert_eq!(doc.part(id, &["a"]), None);
        assert_eq!(MENU.pick(&mut doc, id, &mut out), None);
        doc.spoil(id);
        assert_eq!(
            (doc.text(id), doc.list(id), doc.pairs(id), doc.get(id, "a")),
            (None, None, None, None)
        );
    }
    assert_eq!(out, vec![]);
}

// ---- strangers' bytes ----------------------------------------------------------------------

fn bomb() -> String {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let last = format!("*a{}, ", n - 1).repeat(10);
        text.push_str(&format!("a{n}: &a{n} [{last}]\n"));
    }
    text
}

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
    let chain: String = (1..3_000).map(|n| format!("- &a{n} [*a{}]\n", n - 1)).collect();
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
        format!("- &a0 [x]\n{chain}"),
        format!(
            "title: a\nmethod:\n- for: 1s\n  cpu_burn: {{percent: 1, cores: 1, load: [{}]}}",
            "x,".repeat(90_000)
        ),
        long,
        twins,
    ] {
        let start = Instant::now();
        survive(text.as_bytes());
        let head: String = text.chars().take(20).collect();
        eprintln!("{:>8.1?} {head:?}", start.elapsed());
    }
}

#[test]
fn a_thousand_lines_are_read_in_a_moment() {
    let entry = "  - process_pause: {name: gateway, targets_max: 1}\n    for: 10s\n";
    let text = format!("title: a\nmethod:\n{}", entry.repeat(500));
    let (source, start) = (Source::new("x.yaml", text), Instant::now());
    assert_eq!(check(&source), (vec![], 500));
    eprintln!("{:?}", start.elapsed());
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

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    text: String,
    natural: u64,
    integer: i64,
    real: f64,
    yes: bool,
    none: Option<String>,
    list: Vec<String>,
    map: BTreeMap<String, i32>,
}

prop_compose! {
    fn written()(
        text in ".*", natural: u64, integer: i64, real in -1e300..1e300, yes: bool,
        none in prop::option::of("[^$]*"), list in prop::collection::vec(".*", 0..5),
        map in prop::collection::btree_map(".{0,20}", any::<i32>(), 0..5),
    ) -> Written {
        Written { text, natural, integer, real, yes, none, list, map }
    }
}

/// A text in double quotes, as JSON has it, which is YAML but for a few characters.
fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        _ => format!("\\U{:08x}", u32::from(c)),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

impl Written {
    fn yaml(&self) -> String {
        let list: Vec<_> = self.list.iter().map(|it| format!("  - {}\n", quoted(it))).collect();
        let map: Vec<_> = self.map.iter().map(|(k, v)| format!("{}: {v}", quoted(k))).collect();
        let none = self.none.as_ref().map_or("~".to_owned(), |it| quoted(it));
        let list =
            if list.is_empty() { " []\n".to_owned() } else { format!("\n{}", list.concat()) };
        let Self { text, natural, integer, real, yes, .. } = self;
        format!(
            "text: {}\nnatural: {natural}\ninteger: {integer}\nreal: {real:?}\nyes: {yes}\n\
             none: {none}\nlist:{list}map: {{{}}}\n",
            quoted(text),
            map.join(", ")
        )
    }
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

    #[test]
    fn what_is_written_out_reads_back_equal(written in written()) {
        prop_assert_eq!(whole::<Written>(&written.yaml()), Ok(written));
    }
}
