//! Entries on local disk: how much room they have, and what the guide says of them.

use std::time::Duration;

use alacena::{Alacena, SystemRuntime, TierKind, class::ReadMode};

use super::{only, parse, parse_with};

#[test]
fn entries_have_room_on_disk_or_none() {
    let bytes_max = |text: &str| parse(text).map(|config| config.embedded.entries_bytes_max);
    assert_eq!(bytes_max("").unwrap(), 0);
    assert_eq!(bytes_max("[embedded]\nentries_max = \"0B\"\n").unwrap(), 0);
    assert_eq!(bytes_max("[embedded]\nentries_max = \"1GiB\"\n").unwrap(), 1 << 30);
    let little = only("[embedded]\nentries_max = \"1000KiB\"\n");
    assert!(
        little.0.ends_with("embedded.entries_max: is less than 1MiB") && little.1.contains("0B"),
        "{little:?}"
    );
}

#[test]
fn markers_have_a_bound_of_their_own() {
    assert_eq!(parse("").unwrap().embedded.markers_max, 262_144);
    assert_eq!(parse("[embedded]\nmarkers_max = 8192\n").unwrap().embedded.markers_max, 8_192);
    assert!(parse("[embedded]\nmarkers_max = 8191\n").is_err(), "fewer than those of keys alone");
}

#[test]
fn copies_of_what_is_on_the_own_disk_stay() {
    let l1_ttl = |above: &str, own: &str| {
        let text = format!("{above}[classes.kpis]\nttl = \"1h\"\n{own}");
        parse(&text).unwrap().classes["kpis"].l1_ttl
    };
    let (disk, redis) = ("[embedded]\nentries_max = \"1GiB\"\n", "[redis]\nurl = \"redis://a\"\n");
    assert_eq!(l1_ttl(disk, ""), Some(Duration::MAX), "nobody else could have stored anything newer");
    assert_eq!(l1_ttl(disk, "l1_ttl = \"1m\"\n"), Some(Duration::from_secs(60)));
    assert_eq!(l1_ttl(&format!("{disk}{redis}"), ""), None, "of a Redis they are asked about again");
    assert_eq!(l1_ttl("", ""), None);
}

#[test]
fn nobody_has_to_be_asked_about_the_own_disk() {
    let read_mode = |above: &str| {
        let text = format!("{above}[classes.kpis]\nread_mode = \"strict\"\n");
        parse(&text).unwrap().classes["kpis"].read_mode
    };
    assert_eq!(read_mode("[embedded]\nentries_max = \"1GiB\"\n"), ReadMode::Bounded);
    assert_eq!(read_mode("[redis]\nurl = \"redis://a\"\n"), ReadMode::Strict);
}

#[tokio::test]
async fn a_disk_with_room_is_the_second_tier_and_one_without_is_none() {
    for (text, tier) in [("", None), ("[embedded]\nentries_max = \"1MiB\"\n", Some(TierKind::Embedded))] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = parse(text).unwrap();
        config.embedded.path = folder.path().join("store");
        std::fs::create_dir(&config.embedded.path).unwrap();
        let left = config.embedded.path.join("entries.redb");
        std::fs::write(&left, "").unwrap();
        let alacena = Alacena::open(&config, SystemRuntime::shared()).await.unwrap();
        let (health, figures) = (alacena.health(), alacena.figures());
        assert_eq!(health.tier, tier);
        assert_eq!(figures.disk.map(|disk| disk.bytes_max), tier.map(|_| 1 << 20));
        assert_eq!(left.exists(), tier.is_some(), "what nobody keeps up is removed");
        alacena.close(Duration::ZERO).await;
    }
}

#[test]
fn the_examples_of_the_guide_are_accepted() {
    let guide = include_str!("../../../../docs/guide/disk.md");
    let examples: Vec<&str> =
        guide.split("```toml\n").skip(1).map(|after| after.split("```").next().unwrap_or_default()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let config = parse_with(example, &[]).unwrap_or_else(|problems| panic!("{example}: {problems}"));
        assert_eq!(config.embedded.entries_bytes_max, 1 << 30);
    }
}
