//! `docs/scenarios.md`: every kind with its settings, as the kinds themselves tell them.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::Value;

use crate::{
    about::About,
    cli::explain::{back, family},
    registry,
};

const HEAD: &str = "\
# What scenarios and drills are made of

Generated from the kinds themselves by `holdfast explain --page`; a test holds it equal.
[chaos.md](chaos.md) says how scenarios are written, [drills.md](drills.md) how drills are;
`holdfast schema scenario` prints all of it for editors. A setting in **bold** must be given.
";

/// The page, as Markdown.
pub fn page() -> String {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let (mut page, mut last) = (HEAD.to_owned(), "");
    for it in registry::actions() {
        let sort = family(it.family);
        if sort != last {
            page.extend(["\n## ", heading(sort), "\n"]);
            last = sort;
        }
        let schema = it.schema(&mut generator).to_value();
        let note = format!("If we vanish: {}.", back(it));
        page += &section(it.about, &note, (&schema, &mut generator));
    }
    page += "\n## Probes\n";
    for it in registry::probes() {
        let schema = it.schema(&mut generator).to_value();
        let note = format!("It tells: {}.", it.readings.join(", "));
        page += &section(it.about, &note, (&schema, &mut generator));
    }
    page += "\n## Ledgers of witnesses\n";
    for it in registry::ledgers() {
        let schema = it.schema(&mut generator).to_value();
        page += &section(it.about, "Its records stay.", (&schema, &mut generator));
    }
    page
}

fn heading(sort: &str) -> &'static str {
    if sort == "fault" { "Faults" } else { "Steps of drills" }
}

fn section(
    about: &About,
    note: &str,
    (schema, generator): (&Value, &mut SchemaGenerator),
) -> String {
    let mut text = format!("\n### `{}`\n\n{}. {note}\n", about.name, sentence(about.summary));
    for it in about.needs {
        text.extend([format!("Needs: {}.\n", it.remedy())]);
    }
    let defs = Value::Object(generator.definitions().clone());
    let settings = resolved(schema, &defs);
    let required = settings.get("required").and_then(Value::as_array);
    let must = |name: &str| required.is_some_and(|all| all.iter().any(|it| it == name));
    let all = settings.get("properties").and_then(Value::as_object);
    let rows = all.into_iter().flatten().map(|(name, it)| {
        let shown = if must(name) { format!("**`{name}`**") } else { format!("`{name}`") };
        let usual = match it.get("default") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(it)) if !it.is_empty() => format!("`{it}`"),
            Some(it) => format!("`{it}`"),
        };
        let what = it.get("description").and_then(Value::as_str).map_or_else(
            || shape(it, &defs),
            |said| format!("{}: {}", shape(it, &defs), one_line(said)),
        );
        format!("| {shown} | {} | {} |\n", cell(&what), cell(&usual))
    });
    let rows: String = rows.collect();
    if !rows.is_empty() {
        text += "\n| setting | what it is | unless given |\n|---|---|---|\n";
        text += &rows;
    }
    let example = about.example.lines().map(|it| format!("  {it}\n"));
    let example = example.collect::<Vec<_>>().concat();
    text.extend(["\n```yaml\n", about.name, ":\n", &example, "```\n"]);
    text
}

fn sentence(text: &str) -> String {
    let mut all = text.chars();
    all.next().map_or_else(String::new, |it| it.to_uppercase().chain(all).collect())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// What a reference leads to.
fn resolved<'a>(schema: &'a Value, defs: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str);
    let found = name.and_then(|it| defs.get(it.strip_prefix("#/$defs/")?));
    found.unwrap_or(schema)
}

/// What may be written, in words.
fn shape(schema: &Value, defs: &Value) -> String {
    let schema = resolved(schema, defs);
    for word in ["anyOf", "oneOf"] {
        if let Some(all) = schema.get(word).and_then(Value::as_array) {
            let all = all.iter().filter(|it| it.get("type").is_none_or(|it| it != "null"));
            return either(all.map(|it| shape(it, defs)).collect());
        }
    }
    if let Some(it) = schema.get("const") {
        return format!("`{}`", it.as_str().unwrap_or_default());
    }
    if let Some(all) = schema.get("enum").and_then(Value::as_array) {
        return either(all.iter().filter_map(Value::as_str).map(|it| format!("`{it}`")).collect());
    }
    let kind = match schema.get("type") {
        Some(Value::Array(all)) => all.iter().find(|it| *it != "null"),
        it => it,
    };
    match kind.and_then(Value::as_str).unwrap_or_default() {
        "string" if schema.get("pattern").is_some() => {
            let said = schema.get("description").and_then(Value::as_str);
            said.unwrap_or("a text").to_owned()
        }
        "string" => "a text".to_owned(),
        "integer" => "a whole number".to_owned(),
        "number" => "a number".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        "array" => {
            let items = schema.get("items").map(|it| shape(it, defs));
            format!("a list, each {}", items.unwrap_or_default())
        }
        "object" => {
            let keys = schema.get("properties").and_then(Value::as_object);
            let keys = keys.into_iter().flatten().map(|it| format!("`{}`", it.0));
            match keys.collect::<Vec<_>>().join(", ") {
                it if it.is_empty() => "a mapping".to_owned(),
                it => format!("a mapping of {it}"),
            }
        }
        _ => "a value".to_owned(),
    }
}

fn either(mut all: Vec<String>) -> String {
    match (all.pop(), all.is_empty()) {
        (Some(last), true) => last,
        (Some(last), false) => format!("{} or {last}", all.join(", ")),
        (None, _) => String::new(),
    }
}
