//! Masters and replicas.

use alacena_testkit::servers::{Flavour, RedisServer, Reply};

#[test]
fn a_replica_copies_is_cut_off_and_is_promoted_without_what_it_missed() {
    for flavour in Flavour::ALL {
        let builder = RedisServer::builder().flavour(flavour).password("secret");
        let Some(master) = builder.clone().start() else { continue };
        let Some(replica) = builder.replica_of(master.address()).start() else { continue };
        master.command(&["SET", "a", "1"]);
        replica.wait_for_copy(&master);
        assert_eq!(replica.command(&["GET", "a"]), Reply::Bulk(b"1".to_vec()));
        assert!(
            matches!(replica.try_command(&["SET", "a", "2"]), Reply::Error(error) if error.starts_with("READONLY"))
        );

        replica.isolate();
        master.command(&["DEL", "a"]);
        let before = replica.info("master_replid");
        replica.promote();
        assert_eq!(replica.info("role"), "master");
        assert_ne!(replica.info("master_replid"), before, "a promotion begins another history");
        assert_eq!(replica.command(&["GET", "a"]), Reply::Bulk(b"1".to_vec()), "the deletion was lost");

        master.follow(replica.address());
        master.wait_for_copy(&replica);
        assert_eq!(master.command(&["GET", "a"]), Reply::Bulk(b"1".to_vec()));
    }
}
