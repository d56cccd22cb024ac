//! Complaints as a terminal shows them: title, file, line and column, the line, a caret, a way out.

use std::fmt::Write as _;

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet,
};

use crate::manifest::{diagnostic::Diagnostic, place::Place, source::Source, words::calm};

/// So many complaints are shown; of the others only the number.
pub const SHOWN_MAX: usize = 50;
/// Lines of more bytes are not drawn, only where they are.
const DRAWN_MAX: usize = 8_192;
/// Longer sentences are cut: a user's whole text may be in them.
const SENTENCE_MAX: usize = 2_000;

/// All complaints about `source`, in the order of their places, each once, with a blank line
/// between them. Coloured for a terminal, or plain.
pub fn render(source: &Source, all: &[Diagnostic], coloured: bool) -> String {
    let mut sorted: Vec<&Diagnostic> = all.iter().collect();
    sorted.sort();
    sorted.dedup();
    let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
    let shown = sorted.iter().take(SHOWN_MAX);
    let mut text = shown
        .map(|it| renderer.render(&[picture(source, it)]) + "\n")
        .collect::<Vec<_>>()
        .join("\n");
    let more = sorted.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        let (s, are) = if more == 1 { ("", "is") } else { ("s", "are") };
        writeln!(text, "\n{more} more mistake{s} {are} not shown").expect("a string takes it all");
    }
    text
}

/// All complaints about a file with secrets in it: where, and in words of our own. What the user
/// wrote is quoted nowhere.
pub fn render_places(source: &Source, all: &[Diagnostic]) -> String {
    let mut sorted: Vec<&Diagnostic> = all.iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut text = String::new();
    for it in sorted.into_iter().take(SHOWN_MAX) {
        let (line, column) = source.line_col(it.place.start);
        let what = unquoted(&calm(&it.what, SENTENCE_MAX), source.text());
        writeln!(text, "error: {what}\n --> {}:{line}:{column}", source.path())
            .expect("a string takes it all");
        if !it.help.is_empty() {
            let help = unquoted(&calm(&it.help, SENTENCE_MAX), source.text());
            writeln!(text, "help: {help}").expect("a string takes it all");
        }
    }
    text
}

/// A word as long as this may be a hash or a key.
const WORD_MAX: usize = 20;

/// A sentence without the words of the file that may be secrets: long ones, those of a hash, and
/// all of them where a value was of the wrong sort.
fn unquoted(sentence: &str, file: &str) -> String {
    let is_value = sentence.contains(" is wanted here") || sentence.contains(" is none of ");
    let marks = ['`', ',', '.', ':', '"', '\u{2026}'];
    let word = |it: &str| {
        let bare = it.trim_matches(marks);
        let looks_so = bare.len() > WORD_MAX || bare.contains('$') || is_value && it.contains('`');
        let is_secret = !bare.is_empty() && looks_so && file.contains(bare);
        if is_secret { it.replace(bare, "\u{2026}") } else { it.to_owned() }
    };
    sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn picture<'a>(source: &'a Source, it: &'a Diagnostic) -> Group<'a> {
    let shown = |it: Place| it.within(source.text()).first_line(source.text());
    let (place, also) = (shown(it.place), it.also.map(|(at, why)| (shown(at), why)));
    let mut group = Group::with_title(Level::ERROR.primary_title(calm(&it.what, SENTENCE_MAX)));
    let lines = Lines::around(source, place, also.map_or(place, |it| it.0));
    if lines.text.len() <= DRAWN_MAX {
        let second = also.map(|(at, why)| lines.mark(AnnotationKind::Context, at).label(why));
        let first = lines.mark(AnnotationKind::Primary, place);
        group = group.element(lines.draw(source).annotation(first).annotations(second));
    } else {
        group = group.element(alone(source, place, AnnotationKind::Primary, None));
        if let Some((at, why)) = also {
            group = group.element(alone(source, at, AnnotationKind::Context, Some(why)));
        }
    }
    if it.help.is_empty() {
        return group;
    }
    group.element(Level::HELP.message(calm(&it.help, SENTENCE_MAX)))
}

/// The line of one place; only its number where it is too long to be drawn.
fn alone<'a>(
    source: &'a Source,
    place: Place,
    kind: AnnotationKind,
    why: Option<&'a str>,
) -> Element<'a> {
    let lines = Lines::around(source, place, place);
    if lines.text.len() > DRAWN_MAX {
        let (line, column) = source.line_col(place.start);
        return Origin::path(source.path()).line(line).char_column(column).into();
    }
    lines.draw(source).annotation(lines.mark(kind, place).label(why)).into()
}

/// The lines between two places.
struct Lines<'a> {
    /// Where the first one begins.
    start: usize,
    text: &'a str,
}

impl<'a> Lines<'a> {
    fn around(source: &'a Source, one: Place, other: Place) -> Self {
        let text = source.text();
        let before = text.get(..one.start.min(other.start)).unwrap_or("");
        let start = before.rfind('\n').map_or(0, |it| it + 1);
        let last = one.end.max(other.end);
        let after = text.get(last..).unwrap_or("");
        let end = after.find('\n').map_or(text.len(), |it| last + it);
        Self { start, text: Place::new(start, end).of(text).trim_end_matches('\r') }
    }

    fn draw(&self, source: &'a Source) -> Snippet<'a, Annotation<'a>> {
        let (line, _) = source.line_col(self.start);
        // The renderer shows most control characters as pictures, but obeys the second set of
        // them; their stand-in is as long in bytes, so that no place moves.
        let text = self.text.replace(|it| matches!(it, '\u{80}'..='\u{9f}'), "\u{b7}");
        Snippet::source(text).path(source.path()).line_start(line)
    }

    fn mark(&self, kind: AnnotationKind, place: Place) -> Annotation<'a> {
        let within = |it: usize| it.saturating_sub(self.start).min(self.text.len());
        kind.span(within(place.start)..within(place.end))
    }
}
