//! How scenarios and drills are written, as a JSON Schema for editors: the heads say their own
//! part, and every kind its own. `check` knows more.

use schemars::{
    JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema,
    transform::transform_subschemas,
};
use serde_json::{Map, Value, json};

use crate::{
    action::ActionKind,
    journal::{
        entry::{Family, UndoClass},
        index::RunKind,
    },
    probe::ProbeKind,
    script::{
        asks::{WrittenApproval, WrittenDeclare, WrittenGate, WrittenManual},
        conditions::{BesideCondition, BesideGuard},
        drill, hypothesis,
        items::{self, TOGETHER_MAX},
        lines::WitnessCue,
        read::Kinds,
        scenario, witness,
    },
    units::Span,
};

/// The dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of one sort of file.
pub fn schema(kind: RunKind, kinds: &Kinds) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut root = match kind {
        RunKind::Scenario => scenario::Written::json_schema(&mut generator),
        RunKind::Drill => drill::Written::json_schema(&mut generator),
    };
    let mut entries = Entries { generator: &mut generator, kinds };
    let mut own = vec![
        ("hypothesis", entries.probes::<hypothesis::Beside>("expect")),
        ("condition", entries.probes::<BesideCondition>("is")),
        ("guard", entries.probes::<BesideGuard>("is")),
    ];
    match kind {
        RunKind::Scenario => {
            own.push(("method", entries.method()));
            own.push(("fault", entries.fault()));
        }
        RunKind::Drill => {
            own.push(("wait", entries.probes::<items::BesideWait>("expect")));
            own.push(("step", entries.step()));
            own.push(("witness", entries.witness()));
            own.push(("branch", items::WrittenBranch::json_schema(&mut generator)));
            own.push(("phase", drill::WrittenPhase::json_schema(&mut generator)));
        }
    }
    let mut all = generator.take_definitions(true);
    all.extend(own.into_iter().map(|(name, it)| (name.to_owned(), it.to_value())));
    root.insert("$defs".to_owned(), Value::Object(all));
    loosen(&mut root);
    if let Some(Value::Object(all)) = root.get_mut("$defs") {
        all.insert("variable".to_owned(), variable());
    }
    let word = kind.word();
    let more = format!("how a {word} is written; `holdfast check` knows more");
    root.insert("description".to_owned(), more.into());
    root.insert("$schema".to_owned(), DIALECT.into());
    root.insert("title".to_owned(), format!("a Holdfast {word}").into());
    root.to_value()
}

/// A list of such entries; they are put among the definitions afterwards.
fn list(name: &str) -> Schema {
    json_schema!({ "type": "array", "items": { "$ref": format!("#/$defs/{name}") } })
}

pub(super) fn hypotheses(_: &mut SchemaGenerator) -> Schema {
    list("hypothesis")
}

pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    list("condition")
}

pub(super) fn guards(_: &mut SchemaGenerator) -> Schema {
    list("guard")
}

pub(super) fn method(_: &mut SchemaGenerator) -> Schema {
    let mut list = list("method");
    list.insert("minItems".to_owned(), 1.into());
    list
}

pub(super) fn phases(_: &mut SchemaGenerator) -> Schema {
    list("phase")
}

pub(super) fn witness(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "$ref": "#/$defs/witness" })
}

pub(super) fn steps(_: &mut SchemaGenerator) -> Schema {
    list("step")
}

/// One of the keys of which an entry has exactly one.
struct Choice {
    name: &'static str,
    schema: Schema,
    /// What else must be so of an entry that has it.
    then: Option<Value>,
}

struct Entries<'a> {
    generator: &'a mut SchemaGenerator,
    kinds: &'a Kinds,
}

impl Entries<'_> {
    /// A mapping with the keys of `T` and exactly one of the choices.
    fn entry<T: JsonSchema>(&mut self, choices: Vec<Choice>) -> Schema {
        let mut entry = T::json_schema(self.generator);
        entry.remove("description");
        let (mut one_of, mut all_of) = (Vec::new(), Vec::new());
        let mut properties = Map::new();
        for Choice { name, schema, then } in choices {
            one_of.push(json!({ "required": [name] }));
            let only = then.map(|it| json!({ "if": { "required": [name] }, "then": it }));
            all_of.extend(only);
            properties.insert(name.to_owned(), schema.to_value());
        }
        if let Some(Value::Object(beside)) = entry.remove("properties") {
            properties.extend(beside);
        }
        entry.insert("properties".to_owned(), Value::Object(properties));
        entry.insert("oneOf".to_owned(), one_of.into());
        entry.insert("allOf".to_owned(), all_of.into());
        entry
    }

    /// An entry that names a probe; what is expected stands under `word`.
    fn probes<T: JsonSchema>(&mut self, word: &str) -> Schema {
        let probe = |it: &&ProbeKind, generator: &mut SchemaGenerator| Choice {
            name: it.about.name,
            schema: described(it.schema(generator), it.about.summary),
            then: Some(json!({
                "properties": { word: { "propertyNames": { "enum": it.readings } } }
            })),
        };
        let choices = self.kinds.probes.iter().map(|it| probe(it, self.generator)).collect();
        self.entry::<T>(choices)
    }

    fn action(&mut self, it: &ActionKind, then: Option<Value>) -> Choice {
        let schema = described(it.schema(self.generator), it.about.summary);
        Choice { name: it.about.name, schema, then }
    }

    /// The faults, each with its end.
    fn faults(&mut self) -> Vec<Choice> {
        let faults = self.kinds.actions.iter().filter(|it| it.family == Family::Fault);
        faults.map(|it| self.action(it, Some(ends()))).collect()
    }

    fn fault(&mut self) -> Schema {
        let faults = self.faults();
        self.entry::<items::Beside>(faults)
    }

    /// A fault, a pause, or faults side by side.
    fn method(&mut self) -> Schema {
        let mut choices = self.faults();
        let alone = Some(json!({ "maxProperties": 1 }));
        let mut together = described(list("fault"), "faults that are begun together");
        together.insert("minItems".to_owned(), 1.into());
        together.insert("maxItems".to_owned(), TOGETHER_MAX.into());
        let pause = self.pause();
        choices.push(Choice { name: "parallel", schema: together, then: alone.clone() });
        choices.push(Choice { name: "pause", schema: pause, then: alone });
        self.entry::<items::Beside>(choices)
    }

    fn pause(&mut self) -> Schema {
        described(self.generator.subschema_for::<Span>(), "waits, and does nothing")
    }

    /// A ledger, or the settings of the usual one.
    fn witness(&mut self) -> Schema {
        let mut choices = Vec::new();
        let mut usual = None;
        for it in &self.kinds.ledgers {
            let schema = it.schema(self.generator);
            if it.about.name == witness::USUAL {
                let name = schema.get("$ref").and_then(Value::as_str);
                usual = name.and_then(|it| it.rsplit('/').next()).map(str::to_owned);
            }
            let schema = described(schema, it.about.summary);
            choices.push(Choice { name: it.about.name, schema, then: None });
        }
        let entry = self.entry::<witness::Beside>(choices);
        let all = self.generator.definitions();
        let usual = usual.and_then(|it| all.get(&it)).and_then(|it| it.get("properties"));
        witness::with_short_form(entry, usual.and_then(Value::as_object))
    }

    /// An action, or what changes nothing.
    fn step(&mut self) -> Schema {
        let mut choices = Vec::new();
        for it in &self.kinds.actions {
            let endless = it.family == Family::Step || it.class == UndoClass::OneShot;
            choices.push(self.action(it, (!endless).then(ends)));
        }
        let named = || {
            let others = ["after", "for", "on_vanish"].map(|it| json!({ "required": [it] }));
            Some(json!({ "not": { "anyOf": others } }))
        };
        let gate = self.generator.subschema_for::<WrittenGate>();
        let manual = self.generator.subschema_for::<WrittenManual>();
        let approval = self.generator.subschema_for::<WrittenApproval>();
        let mut parallel = list("branch");
        parallel.insert("minItems".to_owned(), 1.into());
        parallel.insert("maxItems".to_owned(), TOGETHER_MAX.into());
        let dwell = self.generator.subschema_for::<Span>();
        let declare = self.generator.subschema_for::<WrittenDeclare>();
        let witness = self.generator.subschema_for::<WitnessCue>();
        let wait = json_schema!({ "$ref": "#/$defs/wait" });
        let cues = [
            ("approval", described(approval, "people sign the plan and its objectives")),
            ("dwell", described(dwell, "stays as it is, and everything must stay well")),
            ("gate", described(gate, "people say whether the drill goes on")),
            ("manual", described(manual, "somebody does something by hand, and says so")),
            ("parallel", described(parallel, "stretches of steps, side by side")),
            ("declare", described(declare, "a person decides; the time is written down")),
            ("pause", self.pause()),
            ("wait_for", described(wait, "waits until a probe tells what is expected")),
            ("witness", described(witness, "begins to write, or reads everything back")),
        ];
        choices.extend(cues.map(|(name, schema)| Choice { name, schema, then: named() }));
        self.entry::<items::BesideStep>(choices)
    }
}

/// A fault ends, and is always put back.
fn ends() -> Value {
    json!({ "required": ["for"], "properties": { "on_vanish": { "not": { "const": "keep" } } } })
}

fn described(mut schema: Schema, summary: &str) -> Schema {
    schema.insert("description".to_owned(), summary.into());
    schema
}

fn variable() -> Value {
    json!({
        "description": "a variable, as in `${name}`",
        "type": "string",
        "pattern": r"\$\{[^}]+\}",
    })
}

/// A variable may stand for any value, and texts need no quotes.
fn loosen(schema: &mut Schema) {
    // What may be left out says so by not being required.
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    let is = |schema: &Schema, wanted: &[&str]| match schema.get("type") {
        Some(Value::String(it)) => wanted.contains(&it.as_str()),
        Some(Value::Array(all)) => {
            all.iter().any(|it| it.as_str().is_some_and(|it| wanted.contains(&it)))
        }
        _ => false,
    };
    let bound = ["pattern", "enum", "const"].into_iter().any(|it| schema.get(it).is_some());
    let words = |it: &Value| it.get("const").is_some() || it.get("enum").is_some();
    let variable = json!({ "$ref": "#/$defs/variable" });
    if let Some(Value::Array(all)) = schema.get_mut("oneOf")
        && all.iter().all(words)
    {
        // A choice of words.
        all.push(variable);
    } else if is(schema, &["integer", "number", "boolean"]) || (bound && is(schema, &["string"])) {
        let kept = ["description", "default"].map(|it| (it, schema.remove(it)));
        let value = std::mem::take(schema).to_value();
        *schema = json_schema!({ "anyOf": [value, variable] });
        for (name, value) in kept {
            if let Some(value) = value {
                schema.insert(name.to_owned(), value);
            }
        }
    } else if is(schema, &["string"]) {
        let mut types = vec!["string", "number", "boolean"];
        types.extend(is(schema, &["null"]).then_some("null"));
        schema.insert("type".to_owned(), types.into());
    } else {
        transform_subschemas(&mut loosen, schema);
    }
}
