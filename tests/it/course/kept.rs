//! What a drill keeps for a reviewer, as the real sources give it.

use std::{fs, path::Path};

use crate::{
    beside::{agent_on, get, state, tool, tree},
    ground::Ground,
};

/// A drill that keeps one thing of each kind.
fn drill(address: &str, file: &Path) -> String {
    let file = file.display();
    format!(
        r#"
title: what is kept
exercise: {{ type: tabletop }}
objectives: {{ rto: 1h, lost_writes: 0 }}
phases:
  - phase: review
    steps:
      - evidence: {{ of: {{ screenshot: "http://{address}/" }}, keep: page.png, timeout: 60s }}
      - evidence:
          of: {{ metric: {{ url: "http://{address}/metrics", name: node_load1 }} }}
          keep: load.txt
      - evidence: {{ of: {{ http: "http://{address}/-/healthy" }}, keep: healthy.txt }}
      - evidence: {{ of: {{ file: "{file}" }}, keep: minutes.txt }}
      - evidence: {{ of: {{ command: [uname, -s] }}, keep: kernel.txt }}
"#
    )
}

/// Width and height of a PNG picture (its first chunk, `IHDR`: RFC 2083, 4.1.1).
fn size_of_png(bytes: &[u8]) -> Option<(u32, u32)> {
    let rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..)?.strip_prefix(b"IHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(rest.get(at..at + 4)?.try_into().ok()?));
    Some((number(0)?, number(4)?))
}

#[test]
fn what_a_drill_keeps_is_what_the_sources_had_and_no_later_change_goes_unseen() {
    if tool("chromium", "chromium").is_none() {
        return;
    }
    let (ground, state) = (Ground::new(0), state());
    let agent = agent_on(&tree("tests/fixtures/machine"), state.path());
    let minutes = ground.file("minutes-of-the-day", "three findings\n");
    let file = ground.file("keeps.yaml", &drill(&agent.address.to_string(), &minutes));
    let done = ground.run(&["drill", "run", &file.display().to_string()]);
    let (run, _) = super::so_far(&ground);
    assert!(done.err.contains("kept as page.png"), "{}", done.err);

    let folder = ground.state().join("runs").join(&run);
    let kept = |name: &str| fs::read(folder.join(name)).unwrap();
    let text = |name: &str| String::from_utf8(kept(name)).unwrap();
    assert_eq!(size_of_png(&kept("page.png")), Some((1280, 1024)));
    assert!(kept("page.png").len() > 10_000, "a picture of a page with words is not small");
    let page = get(agent.address, "/metrics").body;
    let load = page.lines().filter(|it| it.contains("node_load1") && !it.contains("node_load15"));
    assert_eq!(text("load.txt").lines().collect::<Vec<_>>(), load.collect::<Vec<_>>());
    assert_eq!(text("healthy.txt"), get(agent.address, "/-/healthy").body);
    assert_eq!(text("minutes.txt"), "three findings\n");
    assert_eq!(text("kernel.txt"), "Linux\n");
    // The browser's profile went with the browser.
    let names = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name());
    assert!(!names.map(|it| it.to_string_lossy().into_owned()).any(|it| it.contains("profile")));

    let verify = || ground.run(&["verify", &folder.display().to_string()]);
    let whole = verify();
    assert_eq!(whole.code, Some(0), "{}{}", whole.out, whole.err);
    let mut picture = kept("page.png");
    picture.push(0);
    fs::write(folder.join("page.png"), picture).unwrap();
    let changed = verify();
    assert_eq!(changed.code, Some(1), "{}{}", changed.out, changed.err);
    assert!(format!("{}{}", changed.out, changed.err).contains("page.png"), "it is named");
}
