//! Tests of adding and removing app clients while the program runs.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use axum_cognito::{
    CognitoAuth, ConfigError, TokenUse, UserPool, Verifier, VerifyError, VerifyErrorKind, pool::IssuerForm,
    testing::FakeUserPool,
};

use crate::log::Log;

#[track_caller]
fn accepted(verifier: &Verifier, token: &str) {
    // Repeated until the token is cached, and copied for this thread.
    for _ in 0..200 {
        assert!(verifier.check(token).is_ok());
    }
}

#[track_caller]
fn rejected(verifier: &Verifier, token: &str) -> VerifyError {
    let error = verifier.check(token).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::WrongClient);
    error
}

#[test]
fn added_and_removed_client_takes_effect_at_once() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool_for(["web", "mobile"]).allow_token_use(TokenUse::Id));
    let other = verifier.clone();
    let layer = CognitoAuth::from(verifier.clone());
    let web = [fake.access_token("a").client_id("web").sign(), fake.id_token("a").client_id("web").sign()];
    let partner = [fake.access_token("a").client_id("partner").sign(), fake.id_token("a").client_id("partner").sign()];

    for token in &web {
        accepted(&verifier, token);
    }
    for token in &partner {
        assert_eq!(rejected(&verifier, token).expected(), Some("web, mobile"));
    }
    assert_eq!(verifier.add_client(fake.id(), "partner"), Ok(true));
    assert_eq!(verifier.add_client(fake.id(), "partner"), Ok(false), "it is already in the list");
    assert_eq!(other.client_ids(fake.id()).unwrap(), ["mobile", "partner", "web"], "clones share the change");
    for token in web.iter().chain(&partner) {
        accepted(&other, token);
        accepted(layer.verifier(), token);
    }

    assert_eq!(other.remove_client(fake.id().as_str(), "web"), Ok(true));
    assert_eq!(other.remove_client(fake.id().as_str(), "web"), Ok(false), "it is not in the list");
    for token in &web {
        assert_eq!(rejected(&verifier, token).expected(), Some("mobile, partner"), "cached or not");
    }
    for token in &partner {
        accepted(&verifier, token);
    }
    assert_eq!(verifier.add_client(fake.id(), "web"), Ok(true));
    for token in &web {
        accepted(&verifier, token);
    }
}

#[test]
fn empty_client_list_rejects_every_token() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    let token = fake.access_token("a").sign();
    accepted(&verifier, &token);
    assert_eq!(verifier.remove_client(fake.id(), fake.client_id()), Ok(true));
    assert_eq!(rejected(&verifier, &token).expected(), Some("no client, because all were removed"));
    assert_eq!(verifier.client_ids(fake.id()).unwrap().len(), 0);
    rejected(&verifier, &fake.access_token("a").client_id("").sign());
    assert_eq!(verifier.add_client(fake.id(), fake.client_id()), Ok(true));
    accepted(&verifier, &token);
}

#[test]
fn changes_are_logged_and_removing_the_last_client_warns() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool_for("web"));
    let change = |add: bool, client: &str| {
        Log::of(|| {
            let changed =
                if add { verifier.add_client(fake.id(), client) } else { verifier.remove_client(fake.id(), client) };
            assert!(changed.is_ok());
        })
    };
    for (add, client, lines, warnings) in [
        (true, "mobile", 1, 0),
        (true, "mobile", 0, 0),
        (false, "web", 1, 0),
        (false, "web", 0, 0),
        (false, "mobile", 2, 1),
        (true, "web", 1, 0),
    ] {
        let log = change(add, client);
        assert_eq!((log.lines().count(), log.matches("WARN").count()), (lines, warnings), "{client}: {log}");
        assert!(log.lines().all(|line| line.contains("pool=us-east-1_FakePool1")), "{log}");
    }
}

#[test]
fn impossible_change_is_an_error_with_the_reason() {
    let fake = FakeUserPool::shared();
    let any_client = UserPool::dangerous_any_client("eu-west-1_Open").unwrap().jwks_json(&fake.jwks_json()).unwrap();
    let verifier = Verifier::builder().pool(fake.user_pool()).pool(any_client).build().unwrap();
    let unknown = ConfigError::UnknownPool {
        value: "us-east-1_Other".into(),
        configured: vec![fake.id().to_string(), "eu-west-1_Open".into()],
    };
    assert_eq!(
        unknown.to_string(),
        "`us-east-1_Other` is not a pool of this verifier: expected one of `us-east-1_FakePool1`, `eu-west-1_Open`"
    );
    let any = ConfigError::AnyClientAllowed { pool_id: "eu-west-1_Open".into() };
    assert!(any.to_string().contains("`eu-west-1_Open`") && any.to_string().contains("`UserPool::new`"));
    for (pool, error) in [("us-east-1_Other", unknown), ("eu-west-1_Open", any)] {
        assert_eq!(verifier.add_client(pool, "web"), Err(error.clone()));
        assert_eq!(verifier.remove_client(pool, "web"), Err(error.clone()));
        assert_eq!(verifier.client_ids(pool), Err(error));
    }
    for value in ["", "a b", "a,b", &"x".repeat(129)] {
        assert_eq!(verifier.add_client(fake.id(), value), Err(ConfigError::InvalidClientId { value: value.into() }));
        assert_eq!(verifier.remove_client(fake.id(), value), Ok(false), "no client has such an id");
    }
    assert_eq!(verifier.client_ids(fake.id()).unwrap(), [fake.client_id()]);
}

/// A removal does not affect pools with another id. If a pool id is configured twice with different issuers, a change
/// applies to both.
#[test]
fn each_pool_has_its_own_client_list() {
    let (staff, shop) =
        (FakeUserPool::with_ids("us-east-1_Staff", "web"), FakeUserPool::with_ids("eu-west-1_Shop", "web"));
    let original = staff.user_pool().issuer_form(IssuerForm::Original).unwrap();
    let updated = staff.user_pool_for(["mobile", "web"]).issuer_form(IssuerForm::Updated).unwrap();
    let verifier = Verifier::builder().pool(original).pool(updated).pool(shop.user_pool()).build().unwrap();
    let (of_staff, of_shop) = (staff.access_token("a").sign(), shop.access_token("a").sign());
    let updated = "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_Staff";
    let of_updated = staff.access_token("a").claim("iss", updated).sign();
    for token in [&of_staff, &of_shop, &of_updated] {
        accepted(&verifier, token);
    }
    assert_eq!(verifier.client_ids("us-east-1_Staff").unwrap(), ["mobile", "web"]);
    assert_eq!(verifier.remove_client("us-east-1_Staff", "web"), Ok(true));
    rejected(&verifier, &of_staff);
    rejected(&verifier, &of_updated);
    accepted(&verifier, &of_shop);
    assert_eq!(verifier.add_client("us-east-1_Staff", "mobile"), Ok(true), "one of the two lists did not have it");
    assert_eq!(verifier.remove_client("eu-west-1_Shop", "web"), Ok(true));
    rejected(&verifier, &of_shop);
}

/// Threads verify tokens all the time while a client is removed and added again. A check that starts after the removal
/// returned, and ends before the client is added again, must reject the token.
#[test]
fn check_after_a_removal_never_accepts() {
    const ENOUGH_ROUNDS: u64 = 150;
    const ENOUGH_CHECKS: usize = 11;
    /// On a busy machine, many rounds can pass while the threads sleep.
    const LAST_ROUND: u64 = 20_000;
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool_for(["stays", "passing"]));
    let stays = fake.access_token("a").client_id("stays").sign();
    let changing: Vec<_> =
        (0..4).map(|n| fake.access_token("a").client_id("passing").trigger_claim("n", n).sign()).collect();
    // A round has four phases: the client is listed, is being removed, is not listed, is being added. In the second and
    // the fourth phase, both results are correct.
    let phase = AtomicU64::new(0);
    let next_phase = || phase.fetch_add(1, Ordering::SeqCst);
    let (accepted, rejected) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let done = AtomicBool::new(false);
    let verify = || {
        for token in changing.iter().cycle() {
            if done.load(Ordering::SeqCst) {
                break;
            }
            let before = phase.load(Ordering::SeqCst);
            let accepts = verifier.check(token).is_ok();
            match before % 4 {
                _ if phase.load(Ordering::SeqCst) != before => {}
                0 => {
                    assert!(accepts, "rejected in phase {before}");
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
                2 => {
                    assert!(!accepts, "accepted in phase {before}");
                    rejected.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
            assert!(verifier.check(&stays).is_ok(), "the other client is not affected");
        }
    };
    // The changes are compared at the end, because the threads stop only after all rounds.
    let mut changes = Vec::new();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(verify);
        }
        for round in 0..LAST_ROUND {
            let conclusive = accepted.load(Ordering::Relaxed).min(rejected.load(Ordering::Relaxed));
            if round >= ENOUGH_ROUNDS && conclusive >= ENOUGH_CHECKS {
                break;
            }
            thread::sleep(Duration::from_micros(500 + round % 7 * 50));
            next_phase();
            let removed = verifier.remove_client(fake.id(), "passing");
            next_phase();
            thread::sleep(Duration::from_micros(500));
            next_phase();
            let added = verifier.add_client(fake.id(), "passing");
            next_phase();
            changes.push((removed, added));
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(changes.iter().all(|change| *change == (Ok(true), Ok(true))), "{changes:?}");
    let seen = (accepted.into_inner(), rejected.into_inner());
    assert!(seen.0.min(seen.1) >= ENOUGH_CHECKS, "{seen:?} checks with one correct result");
}
