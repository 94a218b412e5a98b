//! Replays what fuzzing starts from, and what it has found, with the stable compiler: `fuzz/corpus` and `fuzz/artifacts`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::checks::{request, response};

#[test]
fn every_response_of_the_corpus_is_the_same_however_it_is_cut() {
    replay("response", 20, response::check);
}

#[test]
fn every_request_of_the_corpus_is_the_same_however_it_is_cut() {
    replay("request", 10, request::check);
}

/// Fails with the name of the file; `least` keeps a moved folder from passing as an empty one.
fn replay(target: &str, least: usize, check: fn(&[u8])) {
    let mut inputs = files(&fuzz_folder().join("corpus").join(target));
    assert!(inputs.len() >= least, "only {} inputs", inputs.len());
    inputs.extend(files(&fuzz_folder().join("artifacts").join(target)));
    for path in inputs {
        let input = fs::read(&path).expect("a file that was just listed");
        let outcome = std::panic::catch_unwind(|| check(&input));
        assert!(outcome.is_ok(), "replay it: cargo fuzz run -s none {target} {}", path.display());
    }
}

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    // Only the corpus must be there; there are artifacts once something was found.
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("a readable folder").path()).collect()
}
