//! How a Prometheus is asked, and what its answers say
//! (<https://prometheus.io/docs/prometheus/latest/querying/api/>).

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use crate::world::web::{Answer, BODY_MAX};

/// The address of an instant query, as of now.
pub fn now(base: &str, query: &str) -> String {
    format!("{}/api/v1/query?query={}", base.trim_end_matches('/'), encoded(query))
}

/// The address of a range query; instants are seconds since the epoch, by the server's clock.
pub fn range(base: &str, query: &str, (from, to, step): (f64, f64, f64)) -> String {
    let base = base.trim_end_matches('/');
    format!(
        "{base}/api/v1/query_range?query={}&start={from:.3}&end={to:.3}&step={step:.3}",
        encoded(query)
    )
}

/// An answer as JSON.
pub fn said(base: &str, answer: &Answer) -> Result<Value, String> {
    if answer.body.len() >= BODY_MAX {
        return Err("the answer is longer than 1 MiB: ask for fewer series".to_owned());
    }
    let base = base.trim_end_matches('/');
    serde_json::from_slice(&answer.body)
        .map_err(|_| format!("{base} answered {} and no JSON: is it Prometheus?", answer.status))
}

/// The kind of result that an answer brings, and the result.
pub fn result(said: &Value) -> Result<(&str, &Value), String> {
    let text = |field: &str| said.get(field).and_then(Value::as_str).unwrap_or_default();
    if text("status") != "success" {
        return Err(format!("it says {}: {}", text("errorType"), text("error")));
    }
    let data = index(said, "data");
    let kind = data.get("resultType").and_then(Value::as_str).unwrap_or("nothing");
    Ok((kind, index(data, "result")))
}

/// One series of a range: the value of the label that was asked for, and its points as
/// (seconds since the epoch, value).
pub type Series = (String, Vec<(f64, f64)>);

/// What a range query brings, series by series; each is called by the value of one label.
pub fn matrix(said: &Value, label: &str) -> Result<Vec<Series>, String> {
    let (kind, result) = result(said)?;
    if kind != "matrix" {
        return Err(format!("the query brings a {kind}, not values over time"));
    }
    let all = result.as_array().map_or(&[][..], Vec::as_slice);
    let series = |it: &Value| {
        let name = index(it, "metric").get(label).and_then(Value::as_str).unwrap_or_default();
        let points = index(it, "values").as_array().map_or(&[][..], Vec::as_slice);
        let points = points.iter().map(|it| Ok((instant(it)?, sample(it)?)));
        Ok((name.to_owned(), points.collect::<Result<_, String>>()?))
    };
    all.iter().map(series).collect()
}

/// A member, or null.
pub fn index<'a>(it: &'a Value, field: &str) -> &'a Value {
    it.get(field).unwrap_or(&Value::Null)
}

/// The value of a sample, which is `[time, "value"]`.
pub fn sample(it: &Value) -> Result<f64, String> {
    let text = it.get(1).and_then(Value::as_str).unwrap_or_default();
    let value = match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        other => other.parse(),
    };
    value.map_err(|_| format!("`{text}` is no value"))
}

fn instant(it: &Value) -> Result<f64, String> {
    let at = it.get(0).and_then(Value::as_f64);
    at.ok_or_else(|| "a sample has no instant".to_owned())
}

/// A selector: matchers of equality on these labels.
pub fn matchers(labels: &BTreeMap<String, String>) -> String {
    let one = |(name, value): (&String, &String)| format!("{name}={value:?}");
    labels.iter().map(one).collect::<Vec<_>>().join(",")
}

/// As a query string takes it.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, it| {
        if it.is_ascii_alphanumeric() || b"-._~".contains(&it) {
            out.push(char::from(it));
        } else {
            write!(out, "%{it:02X}").expect("a string takes any text");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_range_is_read_series_by_series() {
        let said = json!({"status": "success", "data": {"resultType": "matrix", "result": [
            {"metric": {"method": "rapl"}, "values": [[1.5, "2"], [2.5, "3.25"]]},
            {"metric": {}, "values": []},
        ]}});
        let all = matrix(&said, "method").unwrap();
        assert_eq!(all[0], ("rapl".to_owned(), vec![(1.5, 2.0), (2.5, 3.25)]));
        assert_eq!(all[1], (String::new(), vec![]));
        let error = json!({"status": "error", "errorType": "bad_data", "error": "parse error"});
        assert_eq!(matrix(&error, "x").unwrap_err(), "it says bad_data: parse error");
        let scalar = json!({"status": "success", "data": {"resultType": "scalar", "result": []}});
        assert!(matrix(&scalar, "x").unwrap_err().contains("scalar"));
    }

    #[test]
    fn addresses_are_escaped_and_selectors_quoted() {
        assert_eq!(encoded("up{a=\"b c\"}"), "up%7Ba%3D%22b%20c%22%7D");
        let url = range("http://p/", "up", (1.0, 2.5, 0.5));
        assert_eq!(url, "http://p/api/v1/query_range?query=up&start=1.000&end=2.500&step=0.500");
        let labels = [("instance".to_owned(), "a\"b".to_owned())].into();
        assert_eq!(matchers(&labels), "instance=\"a\\\"b\"");
    }
}
