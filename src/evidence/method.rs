//! How the figures came about and what they cannot tell, in sentences for a reader.

use crate::evidence::{
    energy::Energy,
    fold::{Drill, Evidence},
    origin::Since,
    say,
    scale::signed,
    sites::Sites,
};

/// How it was measured, and the limits of that.
pub fn sentences(evidence: &Evidence) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(drill) = &evidence.drill {
        witness(drill, &mut said);
        said.push(recovery(drill));
        said.push(loss(drill));
    }
    clocks(evidence, &mut said);
    if let Energy::Measured { figures, .. } = &evidence.whole.energy {
        let covers = match figures.method.as_str() {
            "rapl" => {
                "RAPL counts processor packages and, where there is a counter, memory; not \
                       disks, fans or the power supply"
            }
            "model" => {
                "it is modelled from utilisation with published coefficients, and its \
                        bounds are those of the model"
            }
            _ => "its bounds are those of the method",
        };
        said.push(format!(
            "Energy is of the whole host, by the method “{}”: {covers}. A phase's share is what \
             the cumulative reading gained between its ends, interpolated between samples. \
             1 Wh is 3,600 J.",
            figures.method
        ));
    }
    if let Some(sites) = &evidence.sites {
        said.extend(of_sites(sites));
    }
    said.push(
        "Utilisation is weighted by time: a sample speaks for the stretch since the one before. \
         A phase shorter than the sampling period is told by the sample that spans it."
            .to_owned(),
    );
    said.push(
        "An objective is met only if the upper bound meets it, missed only if the lower bound \
         misses it, and otherwise it cannot be told. The run's verdict is the worst of its parts. \
         What was planned and not tried counts as not exercised, never as passed."
            .to_owned(),
    );
    said
}

/// What must be known of the sites' figures.
fn of_sites(sites: &Sites) -> Vec<String> {
    let mut said = vec![
        "Sites are read as counters; a figure over a stretch lies on the straight line between \
         readings, and its bounds are those of the readings around the stretch's ends. Energy of \
         processes is the machine's, shared out by processor time, and modelled. On top of the \
         baseline is what the run used less the baseline's mean power for as long; its bounds let \
         the baseline have gone on as its quietest and as its busiest reading."
            .to_owned(),
    ];
    said.extend(sites.each.iter().map(|it| {
        let clock = it.clock_error_us.map_or_else(String::new, |us| {
            format!(", whose clock is tied to ours to {}", say::length(signed(us)))
        });
        format!("Site “{}” was read from {}{clock}.", it.planned.name, it.planned.read)
    }));
    said
}

fn witness(drill: &Drill, said: &mut Vec<String>) {
    let Some(witness) = &drill.witness else { return };
    let again = match drill.rto.failed_again {
        0 => String::new(),
        n => format!(" {} failed again after the return.", say::plural(n, "write")),
    };
    said.push(format!(
        "A witness wrote numbered records to {}, one each {} on a schedule of its own that does \
         not wait for answers, and gave each {} to be acknowledged. The service counts as \
         restored at the first of {} good writes in a row.{again}",
        witness.target,
        say::length(signed(witness.every_us)),
        say::length(signed(witness.deadline_us)),
        witness.good_in_a_row,
    ));
}

fn recovery(drill: &Drill) -> String {
    let counts = match drill.rto.since {
        Since::Fault => {
            "the fault struck between just before (f0) and just after (f1) the call that applied it"
        }
        Since::Attested => {
            "the fault struck between the earliest (f0) and the latest (f1) instant that people \
             attest, widened by what their clock may be wrong"
        }
        Since::Declared => {
            "no fault struck, and it counts from the declared start of the switch-over (f0 = f1)"
        }
    };
    format!(
        "The recovery time is an interval: {counts}; the service came back after the last failed \
         write was sent (s) and before the first good one was answered (r). So it lies in \
         [max(0, s − f1), r − f0]. Where nobody looked, it is as wide as that was."
    )
}

fn loss(drill: &Drill) -> String {
    let mut text = "Data loss is counted, not estimated: every acknowledged record is looked for \
                    afterwards. Lost is what was acknowledged and is gone; the loss window runs \
                    from the acknowledgement of the earliest lost write to the last one before \
                    the return."
        .to_owned();
    if let Some(exposed) = drill.rpo.exposed {
        let back = say::length(drill.rpo.exposed_us);
        text.extend([format!(
            " Exposed were {}: those acknowledged in the last {back} before the fault or later, \
             and before the return. ",
            say::plural(exposed, "write"),
        )]);
        text.extend([match &drill.rpo.lag {
            Some(lag) => format!(
                "The standby was asked {} how far it was: it was at most {} behind, {} of the looks \
                 were stale, and up to {} passed between two of them.",
                say::plural(lag.looks, "time"),
                say::length(lag.behind_us_max),
                say::grouped(lag.stale),
                say::length(lag.gap_us_max),
            ),
            None => "No standby was asked how far it was, so that this is an assumption.".to_owned(),
        }]);
    }
    if let Some(chance) = drill.rpo.chance_at_most {
        text.extend([format!(
            " That none of them was lost bounds the chance of losing one at {} with 95 % \
             confidence (rule of three, 3/N, for independent writes); it does not make it zero.",
            say::percent(chance)
        )]);
    }
    text
}

fn clocks(evidence: &Evidence, said: &mut Vec<String>) {
    let clocks = &evidence.clocks;
    let mut text = "All spans are of one machine's steady clock (CLOCK_MONOTONIC); the time of \
                    day only names beginning and end."
        .to_owned();
    if !clocks.anchored {
        text += " It was never tied to the time of day.";
    }
    match clocks.wall_error_us {
        Some(us) => text.extend([format!(
            " The clock followed a reference, and the time of day was right to {}.",
            say::length(signed(us))
        )]),
        None => text += " The clock followed no reference, so that the time of day may be wrong.",
    }
    if clocks.wall_stepped_us != 0 {
        let way = if clocks.wall_stepped_us > 0 { "forward" } else { "back" };
        let by = say::length(clocks.wall_stepped_us.saturating_abs());
        text.extend([format!(
            " The time of day was moved {way} by {by} during the run; spans do not feel it."
        )]);
    }
    if clocks.slept_us > 0 {
        let slept = say::length(clocks.slept_us);
        text.extend([format!(
            " The machine slept for {slept}, which the steady clock does not count."
        )]);
    }
    for it in &evidence.timeline.restarts {
        text += " The machine was restarted; spans across that are of the time of day,";
        match it.doubt_us {
            Some(us) => text.extend([format!(
                " and all bounds are {} wider, by as much as it may be wrong.",
                say::length(signed(us))
            )]),
            None => text += " which followed no reference, so that they have no upper bound.",
        }
    }
    said.push(text);
}
