//! The few rules of the house that a machine keeps: which room may import which, one place for paths, one for status codes, one
//! for the clock, a first line that says what a file is, and files that are not too long.

use std::path::{Path, PathBuf};

/// Each room with those it may import, from the ground up.
const ROOMS: [(&str, &[&str]); 9] = [
    ("market", &[]),
    ("lake", &["market"]),
    ("engine", &["lake", "market"]),
    ("http", &["engine", "lake", "market"]),
    ("greeks", &["http", "engine", "lake", "market"]),
    ("bars", &["http", "engine", "lake", "market"]),
    ("profile", &["bars", "http", "engine", "lake", "market"]),
    ("server", &["greeks", "bars", "profile", "http", "engine", "lake", "market"]),
    ("cli", &["server", "greeks", "bars", "profile", "http", "engine", "lake", "market"]),
];
const LONGEST: usize = 500;

struct File {
    /// Relative to the project, with `/`.
    path: String,
    text: String,
}

impl File {
    /// Lines of code that run outside tests, with their numbers; comments left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = self.path.ends_with("tests.rs") || self.path.contains("/tests/");
        let end = if is_test { 0 } else { self.start_of_tests() };
        let lines = self.text[..end].lines().enumerate().map(|(at, line)| (at + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn start_of_tests(&self) -> usize {
        let modules = ["mod ", "pub mod ", "pub(crate) mod "].map(|words| format!("#[cfg(test)]\n{words}"));
        modules.iter().filter_map(|start| self.text.find(start)).min().unwrap_or(self.text.len())
    }

    /// The folder or file right under `src`.
    fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }
}

fn files(folder: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut left = vec![root.join(folder)];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                let path = path.strip_prefix(root).expect("inside").to_str().expect("UTF-8").to_owned();
                found.push(File { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no source in {folder}");
    found
}

/// Lines of code outside `allowed` in which `finds` finds something.
fn lines_elsewhere(allowed: &[&str], finds: impl Fn(&str) -> bool) -> Vec<String> {
    let files = files("src");
    for path in allowed {
        assert!(files.iter().any(|file| file.path == *path), "{path} is not there any more: mend this test");
    }
    let strangers = files.iter().filter(|file| !allowed.contains(&file.path.as_str()));
    strangers
        .flat_map(|file| {
            file.code().filter(|(_, line)| finds(line)).map(|(at, line)| format!("{}:{at}: {}", file.path, line.trim()))
        })
        .collect()
}

#[track_caller]
fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for file in files("src") {
        let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == file.room()) else { continue };
        for (at, line) in file.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for (_, after) in line.match_indices("crate::").map(|(at, name)| line.split_at(at + name.len())) {
                let named: String = after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let is_room = ROOMS.iter().any(|(room, _)| *room == named);
                if is_room && named != file.room() && !allowed.contains(&named.as_str()) {
                    wrong.push(format!("{}:{}: {} must not know {named}", file.path, at + 1, file.room()));
                }
            }
            if line.contains("use crate::{") && line.contains("::") && !line.contains("use crate::{Error") {
                // A list of rooms in one line would slip through the search above.
                let inside = line.split_once('{').map_or("", |(_, inside)| inside);
                let bad = ROOMS.iter().filter(|(room, _)| *room != file.room() && !allowed.contains(room));
                for (room, _) in bad.filter(|(room, _)| inside.contains(&format!("{room}::"))) {
                    wrong.push(format!("{}:{}: {} must not know {room}", file.path, at + 1, file.room()));
                }
            }
        }
    }
    none(&wrong, "cli → server → rooms → http, engine → lake → market");
}

#[test]
fn every_room_is_known_here() {
    let mut rooms: Vec<String> = files("src").iter().map(|file| file.room().to_owned()).collect();
    rooms.dedup();
    rooms.retain(|room| {
        !["main", "lib", "error"].contains(&room.as_str()) && !ROOMS.iter().any(|(known, _)| known == room)
    });
    none(&rooms, "say in this test what the room may import");
}

#[test]
fn every_file_says_what_it_is() {
    for folder in ["src", "tests", "benches"] {
        let silent = files(folder).into_iter().filter(|file| {
            file.text.strip_prefix("//! ").is_none_or(|text| text.lines().next().is_none_or(|line| line.len() < 20))
        });
        none(&silent.map(|file| file.path).collect::<Vec<_>>(), "the first line says what the file is, after `//! `");
    }
}

#[test]
fn no_file_is_too_long() {
    for folder in ["src", "tests", "benches"] {
        let long = files(folder).into_iter().map(|file| (file.text.lines().count(), file.path));
        let long: Vec<String> =
            long.filter(|(lines, _)| *lines > LONGEST).map(|(lines, path)| format!("{path}: {lines}")).collect();
        none(&long, "past five hundred lines a file has a second idea");
    }
}

#[test]
fn paths_are_spelled_in_one_place() {
    // What a person reads may name a folder in the middle of a sentence; a path begins with it.
    let begins = ["\"raw/", "\"_manifest", "\"_rejected", "\"greeks/", "\"greeks_by", "\"bars/", "\"profiles/"];
    let found = lines_elsewhere(&["src/lake/layout.rs", "src/greeks/record.rs"], |line| {
        begins.iter().any(|path| line.contains(path))
            || line.contains("part-0.parquet")
            || line.contains(".jsonl.zst\"")
    });
    let found: Vec<String> = found
        .into_iter()
        .filter(|line| !line.contains("sample-data/") && !line.starts_with("src/cli/demo.rs"))
        .collect();
    none(&found, "only lake/layout.rs spells a path of the lake");
}

#[test]
fn status_codes_are_chosen_in_one_place() {
    let allowed = [
        "src/http/problem.rs",
        "src/http/etag.rs",
        "src/http/early_refusal.rs",
        "src/http/files/range.rs",
        "src/http/openapi.rs",
    ];
    let found = lines_elsewhere(&allowed, |line| line.contains("StatusCode::"));
    none(&found, "only http/problem.rs and its neighbours choose a status code");
}

#[test]
fn the_clock_is_read_in_one_place() {
    let found = lines_elsewhere(&["src/market/clock.rs"], |line| {
        ["SystemTime::now", "Utc::now", "Local::now"].iter().any(|clock| line.contains(clock))
    });
    none(&found, "take a market::Clock");
}

#[test]
fn randomness_comes_in_as_an_argument() {
    let found = lines_elsewhere(&["src/cli/keys.rs"], |line| {
        ["rand::rng()", "thread_rng", "from_os_rng", "OsRng", "new_v4()"].iter().any(|source| line.contains(source))
    });
    none(&found, "take a seeded generator; only a new key is drawn from the machine");
}
