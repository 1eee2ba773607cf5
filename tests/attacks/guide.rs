//! The page of attacks names tests. They exist, and none is left out.

use std::{collections::BTreeSet, fs, path::Path};

const PAGE: &str = include_str!("../README.md");

#[test]
fn every_test_is_on_the_page_of_attacks() {
    let (written, others) = (tests_in("tests/attacks"), tests_in("tests/main"));
    let modules: BTreeSet<_> = written.iter().chain(&others).map(|name| name.split("::").next().unwrap()).collect();
    let named: BTreeSet<_> = PAGE
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            name.split_once("::").is_some_and(|(module, test)| modules.contains(module) && !test.contains("::"))
        })
        .map(str::to_owned)
        .collect();
    let there = &written | &others;
    assert_eq!(named.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new(), "named, but not there");
    assert_eq!(written.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "there, but not named");
}

fn tests_in(folder: &str) -> BTreeSet<String> {
    let mut written = BTreeSet::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let path = file.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "rs") || module == "guide" {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let mut is_test = false;
        for line in source.lines().map(str::trim) {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let Some((_, name)) = line.split_once("fn ") else { continue };
            // Inside of `proptest!` the attribute is indented, and the test the same.
            if is_test {
                written.insert(format!("{module}::{}", name.split('(').next().unwrap()));
            }
            is_test = false;
        }
    }
    written
}
