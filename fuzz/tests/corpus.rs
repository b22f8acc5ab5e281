//! Every target on its corpus, on what becomes of the corpus by small changes, and on bytes made up from a seed.

use std::{fs, panic, path::Path};

use alacena_fuzz::TARGETS;

/// Changed inputs a target.
const CHANGED: u64 = 300;
/// Most bytes of one that is made up.
const MADE_UP_BYTES: u64 = 200;

#[test]
fn no_target_panics_on_its_corpus_or_near_it() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "fuzz/corpus/{name} is empty");
        for input in &corpus {
            run(name, *target, input);
        }
        let mut chance = Chance(0x5eed);
        for _ in 0..CHANGED {
            let mut input = match chance.below(4) {
                0 => (0..chance.below(MADE_UP_BYTES)).map(|_| chance.byte()).collect(),
                _ => corpus[chance.below(corpus.len() as u64) as usize].clone(),
            };
            for _ in 0..chance.below(4) {
                chance.change(&mut input, &corpus);
            }
            run(name, *target, &input);
        }
    }
}

fn run(name: &str, target: fn(&[u8]), input: &[u8]) {
    let ended = panic::catch_unwind(|| target(input));
    assert!(ended.is_ok(), "{name} panics on {:?}", String::from_utf8_lossy(input));
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = fs::read_dir(&folder).expect("every target has a corpus");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).expect("it can be read")).collect()
}

/// SplitMix64: the same inputs on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(input.len() as u64 + 1) as usize;
        match self.below(4) {
            0 => input.insert(at, self.byte()),
            1 if at < input.len() => input[at] = self.byte(),
            2 if at < input.len() => drop(input.drain(at..(at + 4).min(input.len()))),
            _ => {
                let other = &corpus[self.below(corpus.len() as u64) as usize];
                let from = self.below(other.len() as u64 + 1) as usize;
                input.splice(at..at, other[from..].iter().take(16).copied());
            }
        }
    }
}
