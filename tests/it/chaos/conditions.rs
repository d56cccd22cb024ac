//! When a run may start, what stops it, and whose it is.

use std::fs;

use holdfast::journal::{entry::Fact, fold};

use crate::ground::Ground;

const METHOD: &str =
    "method:\n  - process_pause: { target: { cmdline: 'sleep TAG' } }\n    for: 5m\n";

#[test]
fn what_must_not_be_so_stops_the_run_and_fails_it() {
    let ground = Ground::new(1);
    let text = format!(
        "title: x\nabort_when:\n  - name: somebody is stopped\n    \
         process: {{ target: {{ cmdline: 'sleep TAG' }} }}\n    \
         is: {{ stopped: {{ min: 1 }} }}\n    \
         every: 10ms\n    threshold: {{ failures: 3, of: 5 }}\n{METHOD}"
    );
    let path = ground.file("x.yaml", &text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.err.contains("abort when somebody is stopped: it was so: stopped is 1"),
        "{done:?}"
    );
    ground.assert_settled("aborted");
}

#[test]
fn a_condition_that_nobody_can_see_stops_the_run_and_proves_nothing() {
    let ground = Ground::new(1);
    let text = format!(
        "title: x\nabort_when:\n  - name: unseen\n    http: {{ url: 'this is no address' }}\n    \
         is: {{ status: 500 }}\n    every: 10ms\n    blind_max: 4\n{METHOD}"
    );
    let path = ground.file("x.yaml", &text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert!(matches!(done.code, Some(3 | 4)), "before or after the fault: {done:?}");
    assert!(done.err.contains("nobody could tell for 4 looks in a row"), "{done:?}");
    ground.assert_settled("blind");
}

#[test]
fn what_must_not_be_so_and_is_from_the_start_refuses_the_run() {
    let ground = Ground::new(1);
    let text = format!(
        "title: x\nbaseline: 5m\nhypothesis:\n  - name: h\n    \
         process: {{ target: {{ cmdline: 'sleep TAG' }} }}\n    expect: {{ count: 1 }}\n\
         abort_when:\n  - name: somebody runs\n    \
         process: {{ target: {{ cmdline: 'sleep TAG' }} }}\n    is: {{ count: 1 }}\n    \
         every: 10ms\n{METHOD}"
    );
    let path = ground.file("x.yaml", &text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(!ground.has(|it| matches!(it, Fact::Intent(_))), "nothing was begun");
    ground.assert_settled("refused");
}

#[test]
fn a_run_begins_only_when_it_may() {
    let ground = Ground::new(1);
    let condition = |count: u32| {
        format!(
            "title: x\nstart_when:\n  - name: two of them run\n    \
             process: {{ target: {{ cmdline: 'sleep TAG' }} }}\n    is: {{ count: {count} }}\n{}",
            METHOD.replace("5m", "10ms")
        )
    };
    let path = ground.file("x.yaml", &condition(2)).display().to_string();
    for words in [&["chaos", "run", &path][..], &["chaos", "run", "--dry-run", &path]] {
        let done = ground.run(words);
        assert_eq!(done.code, Some(3), "{done:?}");
        let told = format!("{}{}", done.out, done.err);
        assert!(told.contains("two of them run: count is 1, not 2"), "{told}");
        assert!(ground.journals().is_empty(), "nothing was begun");
    }
    let path = ground.file("y.yaml", &condition(1)).display().to_string();
    assert_eq!(ground.run(&["chaos", "run", &path]).code, Some(4), "nothing is judged");
}

#[test]
fn a_run_outside_of_its_window_is_refused_with_the_hour_at_which_it_opens() {
    let ground = Ground::new(1);
    // A window that has been open for a minute on one day of the week only is closed on the others.
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let closed = days.iter().filter(|day| {
        let window = format!("window: {{ days: [{day}], from: '00:00', to: '00:00', zone: UTC }}");
        let text = format!("title: x\n{window}\n{METHOD}");
        let path = ground.file("x.yaml", &text).display().to_string();
        let done = ground.run(&["chaos", "run", "--dry-run", &path]);
        let refused = done.code == Some(3);
        let told = done.out.contains("outside of its window") && done.out.contains("it opens");
        assert_eq!(refused, told, "{done:?}");
        refused
    });
    // Between two of these runs a day may end.
    assert!(matches!(closed.count(), 5..=7));
}

#[test]
fn whose_a_run_is_and_what_it_evidences_stands_in_the_journal_and_the_reports() {
    let ground = Ground::new(1);
    let text = format!(
        "title: x\ntags: [payments, nightly]\nowner: payments team\ncontrols: [DORA-25, ICT-7]\n{}",
        METHOD.replace("5m", "10ms")
    );
    let path = ground.file("x.yaml", &text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert_eq!(done.code, Some(4), "{done:?}");
    let (run, lines) = ground.journal();
    let began = fold::began(&lines.entries).expect("a beginning");
    assert_eq!((began.tags.len(), began.owner.as_str()), (2, "payments team"));
    assert_eq!(began.controls, ["DORA-25", "ICT-7"]);
    let folder = ground.state().join("runs").join(run);
    let mut reports = 0;
    for it in fs::read_dir(folder).expect("a folder").flatten() {
        let name = it.file_name().to_string_lossy().into_owned();
        if name.starts_with("report.") {
            let text = fs::read_to_string(it.path()).expect("a report");
            assert!(text.contains("DORA-25") && text.contains("payments team"), "{name}");
            reports += 1;
        }
    }
    assert!(reports >= 3, "{reports} reports");
}
