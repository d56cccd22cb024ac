use super::stories::*;
#[test]
fn dump() {
    for (name, journal) in [
        ("async", ASYNC.whole()),
        ("sync", SYNC.whole()),
        ("scenario", scenario()),
        ("never", Story { back: None, rto: 4000, ..ASYNC }.whole()),
    ] {
        let dir = format!("/tmp/evidence/{name}");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(format!("{dir}/journal.jsonl"), journal.text).unwrap();
    }
}
