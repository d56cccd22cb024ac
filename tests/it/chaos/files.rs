//! Files that are wrong, or right about a world that is not.

/// Files that are wrong, each in its own way, and what each is called.
pub(super) const BAD: &[(&str, &str)] = &[
    ("empty.yaml", ""),
    ("not_yaml.yaml", "title: [\n"),
    (
        "unknown_key.yaml",
        "title: x\nmethdo: []\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n    for: 1s\n",
    ),
    (
        "unknown_kind.yaml",
        "title: x\nmethod:\n  - process_pauze: { target: { name: x } }\n    for: 1s\n",
    ),
    (
        "unknown_setting.yaml",
        "title: x\nmethod:\n  - cpu_burn: { percent: 5, cors: 1 }\n    for: 1s\n",
    ),
    (
        "unknown_unit.yaml",
        "title: x\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n    for: 10 parsecs\n",
    ),
    ("no_unit.yaml", "title: x\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n    for: 10\n"),
    ("no_end.yaml", "title: x\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n"),
    ("zero.yaml", "title: x\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n    for: 0s\n"),
    (
        "endless.yaml",
        "title: x\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n    for: 99999h\n",
    ),
    ("too_much.yaml", "title: x\nmethod:\n  - cpu_burn: { percent: 101, cores: 0 }\n    for: 1s\n"),
    ("no_fault.yaml", "title: x\nmethod: []\n"),
    ("no_target.yaml", "title: x\nmethod:\n  - process_pause: { target: {} }\n    for: 1s\n"),
    (
        "two_targets.yaml",
        "title: x\nmethod:\n  - process_pause: { target: { name: a, cmdline: b } }\n    for: 1s\n",
    ),
    (
        "long_name.yaml",
        "title: x\nmethod:\n  - process_pause: { target: { name: a-name-of-twenty-byt } }\n    for: 1s\n",
    ),
    (
        "kept.yaml",
        "title: x\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n    for: 1s\n    on_vanish: keep\n",
    ),
    (
        "strange_expectation.yaml",
        "title: x\nhypothesis:\n  - name: h\n    process: { target: { name: x } }\n    expect: { counts: 1 }\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n    for: 1s\n",
    ),
    (
        "tolerances.yaml",
        "title: x\nstart_when:\n  - process: { target: { name: x } }\n    is: { count: { p: 99, max: 1 } }\nhypothesis:\n  - name: a\n    command: { run: [date] }\n    expect:\n      stdout: { regex: 'a(' }\n      said: { json: a/b, is: 1 }\n      number: { p: 101, max: 1 }\n  - name: b\n    command: { run: [date] }\n    expect:\n      stdout: { json: /a }\n      number: { p: 99 }\n      said: [{ p: 99, max: 1 }]\n      code: { min: 1, regex: x }\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n    for: 1s\n",
    ),
    (
        "percentile_once.yaml",
        "title: x\nstart_when:\n  - process: { target: { name: x } }\n    is: { count: { p: 99, max: 1 } }\nabort_when:\n  - process: { target: { name: x } }\n    is: { count: { p: 99, max: 1 } }\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n    for: 1s\n",
    ),
    (
        "threshold.yaml",
        "title: x\nhypothesis:\n  - name: h\n    process: { target: { name: x } }\n    expect: { count: 1 }\n    threshold: { failures: 3, of: 2 }\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n    for: 1s\n",
    ),
    (
        "variable.yaml",
        "title: ${nothing}\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n    for: 1s\n",
    ),
    (
        "parallel.yaml",
        "title: x\nmethod:\n  - parallel:\n      - cpu_burn: { percent: 5, cores: 1 }\n      - parallel: []\n      - pause: 1s\n  - parallel: []\n    name: x\n    for: 1s\n  - pause: 10\n",
    ),
    ("only_a_pause.yaml", "title: x\nmethod:\n  - pause: 1s\n"),
    (
        "many_mistakes.yaml",
        "titel: x\nmethod:\n  - cpu_burn: { percent: 0, cores: 1 }\n    for: 1\n  - nothing: {}\n    for: 1s\n",
    ),
];

/// Files that are right, about a world that is not.
pub(super) const REFUSED: &[(&str, &str)] = &[
    (
        "nobody.yaml",
        "title: x\nmethod:\n  - process_pause: { target: { cmdline: 'no such TAG' } }\n    for: 1s\n",
    ),
    (
        "too_many.yaml",
        "title: x\nmethod:\n  - process_pause: { target: { cmdline: 'sleep TAG' } }\n    for: 1s\n",
    ),
    (
        "one_of_two.yaml",
        "title: x\nmethod:\n  - process_pause: { target: { cmdline: 'sleep TAG', max_targets: 2 } }\n    for: 1s\n  - process_kill: { target: { cmdline: 'no such TAG' } }\n    for: 1s\n",
    ),
    (
        "init.yaml",
        "title: x\nmethod:\n  - process_kill: { target: { pid_file: GROUND/init.pid } }\n    for: 1s\n",
    ),
    (
        "no_number.yaml",
        "title: x\nmethod:\n  - process_kill: { target: { pid_file: GROUND/words.pid } }\n    for: 1s\n",
    ),
    (
        "no_pid_file.yaml",
        "title: x\nmethod:\n  - process_kill: { target: { pid_file: GROUND/none.pid } }\n    for: 1s\n",
    ),
];
