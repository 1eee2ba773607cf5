//! The attack tables name every attack test, and every test that they name exists.

use std::{collections::BTreeSet, fs, path::Path};

/// The documents with attack tables. A missing document is treated as empty.
const DOCUMENTS: [&str; 2] = ["src/guide/security.md", "tests/README.md"];

#[test]
fn attack_tables_name_every_test() {
    let written = tests_in("tests/attacks");
    let others: BTreeSet<_> = ["tests/main", "tests/alb", "tests/sign_in"].into_iter().flat_map(tests_in).collect();
    let modules: BTreeSet<_> = written.iter().chain(&others).map(|name| name.split("::").next().unwrap()).collect();
    let named: BTreeSet<_> = DOCUMENTS
        .into_iter()
        .flat_map(|document| code_spans(&fs::read_to_string(root().join(document)).unwrap_or_default()))
        .filter(|name| {
            name.split_once("::").is_some_and(|(module, test)| modules.contains(module) && !test.contains("::"))
        })
        .collect();
    let existing = &written | &others;
    assert_eq!(named.difference(&existing).collect::<Vec<_>>(), Vec::<&String>::new(), "named tests that do not exist");
    assert_eq!(written.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "tests that no table names");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn code_spans(markdown: &str) -> Vec<String> {
    markdown.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn tests_in(folder: &str) -> BTreeSet<String> {
    let mut written = BTreeSet::new();
    for file in fs::read_dir(root().join(folder)).unwrap() {
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
            // A test inside `proptest!` has the same form, only indented.
            if is_test {
                written.insert(format!("{module}::{}", name.split('(').next().unwrap()));
            }
            is_test = false;
        }
    }
    written
}
