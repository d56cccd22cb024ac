//! What is right is read as it was meant.

use std::collections::BTreeMap;

use holdfast::manifest::{
    diagnostic::Diagnostic,
    node::{Doc, Id},
    place::Place,
    read::read,
    source::Source,
    unread::{Placed, Unread},
    vars,
};
use serde::Deserialize;

use super::{Burn, Common, Fault, How, MENU, Pause, check, whole};
use crate::golden;

#[test]
fn what_is_right_is_read_without_a_word() {
    let text = "\
title: &t A payment system
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
    let (told, faults) = check(&Source::new("x.yaml", text));
    assert_eq!(told, vec![]);
    let span = |text: &str| text.parse().unwrap();
    let common = |length, after: Option<&str>| Common { length, after: after.map(span) };
    let pause = |name: &str, (start, end), targets_max, how| {
        let name = Placed { place: Place::new(start, end), value: name.to_owned() };
        Fault::Pause(Pause { name, targets_max, how })
    };
    let burn = Burn {
        percent: 80,
        cores: 2.try_into().unwrap(),
        gentle: false,
        load: vec![1.0, 2.5, -300.0],
    };
    let title = "A payment system";
    assert_eq!(
        faults,
        [
            (common(span("10s"), Some("250ms")), pause("gateway", (69, 76), 1, How::Signal)),
            (common(span("1m"), None), Fault::Burn(burn)),
            (common(span("5s"), None), pause(title, (10, 26), 2, How::Ptrace)),
        ]
    );
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
fn a_type_may_refuse_what_it_is_made_of() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bounds {
        least: u8,
        most: u8,
    }
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "Bounds")]
    struct Range(#[expect(dead_code, reason = "only its making is of interest")] Bounds);
    impl TryFrom<Bounds> for Range {
        type Error = String;
        fn try_from(it: Bounds) -> Result<Self, String> {
            if it.least <= it.most {
                Ok(Self(it))
            } else {
                Err("`most` is less than `least`".into())
            }
        }
    }
    let told =
        whole::<BTreeMap<String, Range>>("a: {least: 1, most: 2}\nb:\n  least: 2\n  most: 1\n");
    assert_eq!(
        told.unwrap_err(),
        "error: `most` is less than `least`\n --> t.yaml:2:1\n  |\n2 | b:\n  | ^\n"
    );
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
