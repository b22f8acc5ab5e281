use super::*;
use crate::marker::{Break, Markers, Validity};

fn tag(text: &str) -> Dep {
    Dep::tag("n", text).unwrap()
}

#[test]
fn a_token_breaks_by_any_of_its_deps_and_names_it() {
    let markers = Markers::new(64);
    let (class, a, b) = (Dep::class("n", "c"), tag("a"), tag("b"));
    let token = markers.capture([&class, &a, &b]);
    markers.invalidate(&tag("c"));
    assert!(token.is_current());
    markers.invalidate(&b);
    assert_eq!(token.broken_by(), Some(Break::Invalidated(&b)));
    assert!(!markers.invalidate(&b), "there is nothing left to kill");
}

#[test]
fn a_hard_dep_breaks_a_token_for_good_whatever_else_is_broken() {
    let markers = Markers::new(64);
    let (soft, hard, key) = (tag("soft"), tag("hard"), Dep::key("n", "k"));
    let token = || markers.capture_with_hard([&soft], [&hard]);
    let (first, second, named) = (token(), token(), markers.capture([&key, &soft]));
    assert_eq!(first.validity(), Validity::Current);
    markers.invalidate(&soft);
    assert_eq!((first.validity(), named.validity()), (Validity::Broken, Validity::Broken));
    markers.invalidate(&hard);
    assert_eq!(second.validity(), Validity::BrokenForGood);
    markers.invalidate(&key);
    assert_eq!(named.validity(), Validity::BrokenForGood, "who names a key says that its entry is wrong");
}

#[test]
fn a_cell_that_is_pushed_out_takes_its_entries_with_it_and_says_so() {
    let markers = Markers::new(SHARDS);
    let first = markers.capture([&tag("first")]);
    let class = markers.capture([&Dep::class("n", "c")]);
    for number in 0..1000 {
        let _ = markers.capture([&tag(&number.to_string())]);
    }
    assert_eq!(first.broken_by(), Some(Break::PushedOut(&tag("first"))), "fail closed");
    assert!(class.is_current(), "structural cells stay");
    assert!(markers.len() <= SHARDS + 1);
}

#[test]
fn what_is_captured_is_alive_however_full_the_table_is() {
    let markers = Markers::new(SHARDS * 4);
    let hot: Vec<Dep> = (0..SHARDS * 4).map(|number| tag(&format!("hot{number}"))).collect();
    for number in 0..1000 {
        let _ = markers.capture(&hot);
        let token = markers.capture([&tag(&number.to_string())]);
        assert!(token.is_current(), "capture {number} was dead at birth");
    }
}

#[test]
fn a_cell_that_validates_answers_outlives_those_that_nobody_looks_at() {
    let markers = Markers::new(SHARDS * 8);
    let hot = markers.capture([&tag("hot")]);
    for number in 0..1000 {
        assert!(markers.stand_by(&hot), "pushed out after {number} others");
        let _ = markers.capture([&tag(&number.to_string())]);
    }
}

#[test]
fn invalidating_one_tag_over_and_over_pushes_nobody_out() {
    let markers = Markers::new(SHARDS * 8);
    let others: Vec<Dep> = (0..16).map(|number| tag(&number.to_string())).collect();
    let bystanders = markers.capture(&others);
    for _ in 0..10_000 {
        let token = markers.capture([&tag("t")]);
        assert!(markers.invalidate(&tag("t")) && !token.is_current());
    }
    assert!(bystanders.is_current());
    assert_eq!(markers.len(), others.len());
    assert!(markers.own.shards.iter().all(|shard| shard.lock().queue.len() <= 17));
}

#[test]
fn loads_that_capture_the_same_cells_share_one_list_until_one_of_them_ends() {
    let markers = Markers::new(64);
    let (class, tag) = (Dep::class("n", "c"), tag("t"));
    let both = || markers.capture([&class, &tag]);
    let (first, second) = (both(), both());
    assert!(first.is(&second));
    assert!(!markers.capture_with_hard([&class], [&tag]).is(&first), "what is hard makes another list");
    markers.invalidate(&class);
    assert!(!markers.stand_by(&first) && !markers.stand_by(&second));
    assert!(!both().is(&first) && markers.stand_by(&both()));
}

#[test]
fn what_was_known_to_stand_is_looked_at_again_once_anything_has_ended() {
    let markers = Markers::new(SHARDS);
    let (one, other) = (markers.capture([&tag("one")]), markers.capture([&Dep::class("n", "c")]));
    assert!(markers.stand_by(&one) && markers.stand_by(&other) && markers.stand_by(&one));
    markers.invalidate(&tag("one"));
    assert!(!markers.stand_by(&one) && markers.stand_by(&other));
    let pushed_out = markers.capture([&tag("pushed out")]);
    assert!(markers.stand_by(&pushed_out));
    // Full of others, none of which is used again.
    (0..1000).for_each(|number| drop(markers.capture([&tag(&number.to_string())])));
    assert!(!markers.stand_by(&pushed_out), "a cell that had to leave is counted, too");
}
