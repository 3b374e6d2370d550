//! `docs/legacy-findings.md` says of every finding what the program says.

use pitlake::profile::legacy::Code;

#[test]
fn every_finding_is_documented_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/legacy-findings.md");
    let text = std::fs::read_to_string(path).expect("the page");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = Code::ALL
        .iter()
        .map(|code| format!("| `{code}` | {} | {} | {} |", code.severity().as_str(), code.about(), code.fix()))
        .collect();
    for row in &expected {
        assert!(rows.contains(&row.as_str()), "the table lacks\n{row}");
    }
    assert_eq!(rows.len(), expected.len(), "the table has rows of no finding");
}
