//! App clients that come and go while the program runs.

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
    // Often enough to be remembered, and by this thread too.
    for _ in 0..200 {
        assert!(verifier.check(token).is_ok());
    }
}

#[track_caller]
fn refused(verifier: &Verifier, token: &str) -> VerifyError {
    let error = verifier.check(token).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::WrongClient);
    error
}

#[test]
fn a_client_comes_and_goes_and_its_tokens_with_it() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool_for(["web", "mobile"]).allow_token_use(TokenUse::Id));
    let other = verifier.clone();
    let layer = CognitoAuth::from(verifier.clone());
    let web = [fake.access_token("a").client_id("web").sign(), fake.id_token("a").client_id("web").sign()];
    let partner = [fake.access_token("a").client_id("partner").sign(), fake.id_token("a").client_id("partner").sign()];

    for token in &web {
        accepted(&verifier, token);
    }
    for token in &partner {
        assert_eq!(refused(&verifier, token).expected(), Some("web, mobile"));
    }
    assert_eq!(verifier.add_client(fake.id(), "partner"), Ok(true));
    assert_eq!(verifier.add_client(fake.id(), "partner"), Ok(false), "it is there already");
    assert_eq!(other.client_ids(fake.id()).unwrap(), ["mobile", "partner", "web"], "clones share the change");
    for token in web.iter().chain(&partner) {
        accepted(&other, token);
        accepted(layer.verifier(), token);
    }

    assert_eq!(other.remove_client(fake.id().as_str(), "web"), Ok(true));
    assert_eq!(other.remove_client(fake.id().as_str(), "web"), Ok(false), "it is gone already");
    for token in &web {
        assert_eq!(refused(&verifier, token).expected(), Some("mobile, partner"), "remembered or not");
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
fn without_clients_nobody_is_let_in() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    let token = fake.access_token("a").sign();
    accepted(&verifier, &token);
    assert_eq!(verifier.remove_client(fake.id(), fake.client_id()), Ok(true));
    assert_eq!(refused(&verifier, &token).expected(), Some("no client, because all were removed"));
    assert_eq!(verifier.client_ids(fake.id()).unwrap().len(), 0);
    refused(&verifier, &fake.access_token("a").client_id("").sign());
    assert_eq!(verifier.add_client(fake.id(), fake.client_id()), Ok(true));
    accepted(&verifier, &token);
}

#[test]
fn the_log_tells_of_each_change_and_warns_of_the_last_removal() {
    let fake = FakeUserPool::new();
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
fn what_cannot_be_changed_says_why() {
    let fake = FakeUserPool::new();
    let open = UserPool::dangerous_any_client("eu-west-1_Open").unwrap().jwks(&fake.jwks()).unwrap();
    let verifier = Verifier::builder().pool(fake.user_pool()).pool(open).build().unwrap();
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
        assert_eq!(verifier.remove_client(fake.id(), value), Ok(false), "none of that form is ever there");
    }
    assert_eq!(verifier.client_ids(fake.id()).unwrap(), [fake.client_id()]);
}

/// A removal in one pool is none of the others' business, also where the other is the same pool under its other issuer.
#[test]
fn pools_have_lists_of_their_own() {
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
    refused(&verifier, &of_staff);
    refused(&verifier, &of_updated);
    accepted(&verifier, &of_shop);
    assert_eq!(verifier.add_client("us-east-1_Staff", "mobile"), Ok(true), "one of the two did not have it");
    assert_eq!(verifier.remove_client("eu-west-1_Shop", "web"), Ok(true));
    refused(&verifier, &of_shop);
}

/// Threads verify without a pause while a client is removed and added again. A check that begins after a removal has returned, and ends before
/// the client is added again, must refuse, whatever was under way when the removal came.
#[test]
fn no_check_that_begins_after_a_removal_accepts() {
    const ENOUGH_ROUNDS: u64 = 150;
    const ENOUGH_CHECKS: usize = 11;
    /// On a busy machine the threads may sleep through many rounds.
    const LAST_ROUND: u64 = 20_000;
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool_for(["stays", "passing"]));
    let stays = fake.access_token("a").client_id("stays").sign();
    let passing: Vec<_> =
        (0..4).map(|n| fake.access_token("a").client_id("passing").trigger_claim("n", n).sign()).collect();
    // Four phases a round: the client is there, is being removed, is away, is being added. In the second and last, both verdicts are right.
    let phase = AtomicU64::new(0);
    let next_phase = || phase.fetch_add(1, Ordering::SeqCst);
    let (let_in, kept_out) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let done = AtomicBool::new(false);
    let verify = || {
        for token in passing.iter().cycle() {
            if done.load(Ordering::SeqCst) {
                break;
            }
            let before = phase.load(Ordering::SeqCst);
            let accepts = verifier.check(token).is_ok();
            match before % 4 {
                _ if phase.load(Ordering::SeqCst) != before => {}
                0 => {
                    assert!(accepts, "refused in phase {before}");
                    let_in.fetch_add(1, Ordering::Relaxed);
                }
                2 => {
                    assert!(!accepts, "accepted in phase {before}");
                    kept_out.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
            assert!(verifier.check(&stays).is_ok(), "the other client notices nothing");
        }
    };
    // Compared at the end: the threads stop only when all rounds are over.
    let mut changes = Vec::new();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(verify);
        }
        for round in 0..LAST_ROUND {
            let certain = let_in.load(Ordering::Relaxed).min(kept_out.load(Ordering::Relaxed));
            if round >= ENOUGH_ROUNDS && certain >= ENOUGH_CHECKS {
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
    let seen = (let_in.into_inner(), kept_out.into_inner());
    assert!(seen.0.min(seen.1) >= ENOUGH_CHECKS, "{seen:?} checks were certain");
}
