//! What does Prometheus say?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    about::About,
    probe::{Blind, Datum, Probe, Reading},
    units::Span,
    world::{
        World,
        promql::{self, index, sample},
        web::{Ask, Method},
    },
};

/// Asks the server at `url` for the value of `query` (PromQL) now. A server that does not answer is
/// no reading: then nobody knows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prometheus {
    url: String,
    query: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default = "two_seconds")]
    timeout: Span,
}

fn two_seconds() -> Span {
    Span::millis(2_000)
}

impl Probe for Prometheus {
    const ABOUT: &'static About = &About {
        name: "prometheus",
        summary: "asks Prometheus a query: its value, and how many series there are",
        needs: &[],
        example: "url: http://127.0.0.1:9090\n\
                  query: ALERTS{alertstate=\"firing\",severity=\"critical\"}\ntimeout: 2s\n",
    };
    const READINGS: &'static [&'static str] =
        &["value", "series", "min", "max", "sum", "labels", "latency_ms"];

    async fn look(&self, world: &World) -> Result<Reading, Blind> {
        let ask = Ask {
            method: Method::Get,
            url: promql::now(&self.url, &self.query),
            headers: self.headers.clone(),
            body: None,
            timeout: self.timeout.duration(),
        };
        let from = world.clock.now_us();
        let answer = world.web.ask(ask).await.map_err(|why| Blind(why.to_string()))?;
        let latency = Datum::since(from, world);
        let said = promql::said(&self.url, &answer).map_err(Blind)?;
        let mut reading = judge(&said).map_err(Blind)?;
        reading.insert("latency_ms", latency);
        Ok(Reading(reading))
    }
}

/// What an answer of the API says (<https://prometheus.io/docs/prometheus/latest/querying/api/>).
fn judge(said: &Value) -> Result<BTreeMap<&'static str, Datum>, String> {
    let (kind, result) = promql::result(said)?;
    let series: Vec<(&Value, f64)> = match kind {
        "scalar" => vec![(&Value::Null, sample(result)?)],
        "vector" => {
            let all = result.as_array().map_or(&[][..], Vec::as_slice);
            let one = |it| Ok((index(it, "metric"), sample(index(it, "value"))?));
            all.iter().map(one).collect::<Result<_, String>>()?
        }
        kind => return Err(format!("the query brings a {kind}, not a value at one instant")),
    };
    let mut reading = BTreeMap::from([("series", Datum::count(series.len()))]);
    // Of several series, none is the value: a hypothesis that needs one is to aggregate.
    if let [(labels, value)] = series.as_slice() {
        reading.insert("value", Datum::Number(*value));
        reading.insert("labels", Datum::Text(labels.to_string()));
    }
    let values = || series.iter().map(|it| it.1);
    if !series.is_empty() {
        reading.insert("min", Datum::Number(values().fold(f64::INFINITY, f64::min)));
        reading.insert("max", Datum::Number(values().fold(f64::NEG_INFINITY, f64::max)));
        reading.insert("sum", Datum::Number(values().sum()));
    }
    Ok(reading)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(result_type: &str, result: &Value) -> Result<BTreeMap<&'static str, Datum>, String> {
        judge(&json!({"status": "success",
            "data": {"resultType": result_type, "result": result}}))
    }

    #[test]
    fn one_series_has_a_value_and_several_have_none() {
        let one = of("vector", &json!([{"metric": {"a": "b"}, "value": [1.5, "2.5"]}])).unwrap();
        assert_eq!(one.get("value"), Some(&Datum::Number(2.5)));
        let series = |value: &str| json!({"metric": {}, "value": [0, value]});
        let two = of("vector", &json!([series("1"), series("+Inf")])).unwrap();
        assert_eq!(two.get("value"), None);
        assert_eq!(two.get("series"), Some(&Datum::Number(2.0)));
        assert_eq!(two.get("min"), Some(&Datum::Number(1.0)));
        let none = of("vector", &json!([])).unwrap();
        assert_eq!(none, [("series", Datum::Number(0.0))].into());
        let scalar = of("scalar", &json!([0, "7"])).unwrap();
        assert_eq!(scalar.get("value"), Some(&Datum::Number(7.0)));
    }

    #[test]
    fn what_is_no_value_is_no_reading() {
        assert!(of("matrix", &json!([])).unwrap_err().contains("matrix"));
        let error = json!({"status": "error", "errorType": "bad_data", "error": "parse error"});
        assert_eq!(judge(&error).unwrap_err(), "it says bad_data: parse error");
        assert!(judge(&json!([])).is_err());
    }
}
