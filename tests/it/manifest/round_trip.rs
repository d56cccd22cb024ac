//! What is written out as YAML reads back equal.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::whole;

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
    fn what_is_written_out_reads_back_equal(written in written()) {
        prop_assert_eq!(whole::<Written>(&written.yaml()), Ok(written));
    }
}
