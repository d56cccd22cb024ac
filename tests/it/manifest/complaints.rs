//! Complaints, as users see them.

use holdfast::manifest::{
    render::{SHOWN_MAX, render},
    source::Source,
};

use super::{MISTAKES, bomb, check, shown};
use crate::golden;

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
    let all = texts.map(|(name, text)| format!("# {name}\n{}\n", shown("x.yaml", text))).concat();
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
    let all = texts.map(|(name, text)| format!("# {name}\n{}\n", shown("x.yaml", text))).concat();
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
fn a_slip_of_the_hand_is_told_once_and_read_as_what_was_meant() {
    let text = "\
titel: a
method:
  - cpu_brun: {percent: 80, coers: 2}
    fro: 10
  - process_pause: {name: [a], targets_max: 0x10}
    for: 10s
    until: 3s
    cpu_burn:
  - {disk_fill: 3, after: 1s}
";
    golden::same_as("manifest/slips.txt", &shown("slips.yaml", text));
}

#[test]
fn no_more_is_shown_than_can_be_read() {
    let keys: Vec<String> = (0..SHOWN_MAX + 3).map(|n| format!("wrong{n}: 1\n")).collect();
    let text = shown("x.yaml", format!("title: a\nmethod: []\n{}", keys.concat()));
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
