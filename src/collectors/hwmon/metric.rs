//! Which metric a file of a chip becomes.

/// A metric, and how the kernel's number becomes its value.
#[derive(Debug, PartialEq)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) help: String,
    pub(super) scale: f64,
    pub(super) is_counter: bool,
}

/// A file's name in its parts: `temp1_crit_alarm` is `temp`, 1 and `crit_alarm`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) file: &'a str,
    pub(super) kind: &'a str,
    pub(super) number: &'a str,
    pub(super) element: &'a str,
}

/// The kinds of sensors that are shown.
const KINDS: [&str; 14] = [
    "beep_enable",
    "cpu",
    "curr",
    "energy",
    "fan",
    "freq",
    "humidity",
    "in",
    "intrusion",
    "power",
    "pwm",
    "temp",
    "update_interval",
    "vrm",
];

const MILLI: f64 = 1e-3;
const MICRO: f64 = 1e-6;

/// The parts of a file's name, if it is a sensor's.
pub(super) fn split(file: &str) -> Option<Parts<'_>> {
    let starts = |kind: &&&str| {
        let rest = file.strip_prefix(**kind);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(is_digit_or_bar))
    };
    let kind = *KINDS.iter().find(starts)?;
    let rest = file.strip_prefix(kind)?;
    let end = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at_checked(end)?;
    let element = if rest.is_empty() { "" } else { rest.strip_prefix('_')? };
    Some(Parts { file, kind, number, element })
}

fn is_digit_or_bar(letter: char) -> bool {
    letter.is_ascii_digit() || letter == '_'
}

/// Lower case, and `_` for whatever a label should not have.
pub(super) fn clean(text: &str) -> String {
    let letter = |it: char| {
        if it.is_ascii_alphanumeric() || it == ':' || it == '_' { it } else { '_' }
    };
    let text: String = text.trim().to_lowercase().chars().map(letter).collect();
    text.trim_matches('_').to_owned()
}

impl Parts<'_> {
    /// `temp1`; sensors without a number have the number 0.
    pub(super) fn sensor(&self) -> String {
        let number = if self.number.is_empty() { "0" } else { self.number };
        format!("{}{number}", self.kind)
    }
}

impl Metric {
    /// The metric of a file. `has_bare`: there is a file of the sensor's name alone, too.
    pub(super) fn of(parts: &Parts<'_>, has_bare: bool) -> Self {
        let Parts { kind, element, .. } = *parts;
        let mut name = format!("node_hwmon_{kind}");
        if element == "input" {
            if has_bare {
                name.push_str("_input");
            }
        } else if !element.is_empty() {
            name.push('_');
            name.push_str(&clean(element));
        }
        let plain = |name: String, help: String| Self { name, help, scale: 1.0, is_counter: false };
        match (kind, element) {
            ("beep_enable", _) => {
                return plain(
                    "node_hwmon_beep_enabled".to_owned(),
                    "Hardware beep enabled".to_owned(),
                );
            }
            ("vrm", _) => {
                let help = "Hardware voltage regulator".to_owned();
                return plain("node_hwmon_voltage_regulator_version".to_owned(), help);
            }
            ("update_interval", _) => {
                let name = "node_hwmon_update_interval_seconds".to_owned();
                let help = "Hardware monitor update interval".to_owned();
                return Self { name, help, scale: MILLI, is_counter: false };
            }
            (_, "fault" | "alarm") => {
                return plain(name, format!("Hardware sensor {element} status ({kind})"));
            }
            (_, "beep") => {
                let help = "Hardware monitor sensor has beeping enabled".to_owned();
                return plain(format!("{name}_enabled"), help);
            }
            _ => {}
        }
        match unit(kind, element) {
            Some((end, what, scale)) => {
                let shown = if element.is_empty() { "input" } else { element };
                let mut help = format!("Hardware monitor {what}");
                if element != "accuracy" {
                    help.extend([" (", shown, ")"]);
                }
                let is_counter = kind == "energy";
                Self { name: format!("{name}{end}"), help, scale, is_counter }
            }
            None => plain(name, format!("Hardware monitor {kind} element {element}")),
        }
    }
}

/// The name's end, what it is, and the scale.
fn unit(kind: &str, element: &str) -> Option<(&'static str, &'static str, f64)> {
    match (kind, element) {
        ("in" | "cpu", _) => Some(("_volts", "for voltage", MILLI)),
        ("temp", it) if it != "type" => Some(("_celsius", "for temperature", MILLI)),
        ("curr", _) => Some(("_amps", "for current", MILLI)),
        ("energy", _) => Some(("_joule_total", "for joules used so far", MICRO)),
        ("power", "accuracy") => Some(("", "power meter accuracy, as a ratio", MICRO)),
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
            Some(("_seconds", "power usage update interval", MILLI))
        }
        ("power", _) => Some(("_watt", "for power usage in watts", MICRO)),
        ("humidity", _) => Some((
            "",
            "for humidity, as a ratio (multiply with 100.0 to get the humidity as a percentage)",
            MICRO,
        )),
        ("fan", "input" | "min" | "max" | "target") => {
            Some(("_rpm", "for fan revolutions per minute", 1.0))
        }
        _ => None,
    }
}
